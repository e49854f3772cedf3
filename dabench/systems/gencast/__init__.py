"""GenCast: a diffusion forecast model of the atmosphere, written from its published definition.

official    the published models                   channels    what is stacked where
checkpoint  the files: configuration, parameters   normalise   physical units to targets and back
network     the denoiser D(z, sigma)               clock       time of year and of day as inputs
model       all of it as one diffusion model       batches     official batches as states
frames      ERA5 on the local disk                 request     the frames of it that a run needs
sources     where the files are                    fetch       how they get there
system      model, truth and climate
"""
