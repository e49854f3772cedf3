"""GenCast: a diffusion forecast model of the atmosphere, written from its published definition.

checkpoint  the files: configuration and parameters      channels    what is stacked where
mesh, graph the geometry                                 normalise   physical units to targets
network     the denoiser D(z, sigma)                     noise       its spherical noise
attention   on the mesh, within a number of hops         model       all of it as one forecast
"""
