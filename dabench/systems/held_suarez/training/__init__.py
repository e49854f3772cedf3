"""How the embedded atmosphere was made: nature run, frames, network, report.

nature   the nature run on spectral coefficients      regrid    its frames on pressure levels
learning the loss and the optimiser                   train     all steps, one after the other
release  the files that are shipped                   report    what the trained model is worth
"""
