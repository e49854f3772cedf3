"""How an embedded atmosphere is made: nature run, frames, network, files, report.

    nature ──► levels, frames ──► learning ──► release ──► report

train         all steps, one after the other, for the recipe of one atmosphere
nature        the nature run: members that branch off one spin-up
levels        from spectral states on sigma layers to pressure levels and their band
frames        members of the nature run as frames of channels, and their statistics
pairs         pairs of frames, as training draws them
learning      the loss and the loop
state         what training changes, and its settings
release       the files that ship
report        what the network was accepted for, and the tables behind that
skill         scores after 12 hours, and a free run
assimilation  a few cycles of a guided ensemble
symmetry      how far J C is from a covariance
"""
