"""Training of an embedded atmosphere, from its nature run to the files that ship.

train     all steps, one after the other        nature        branches of one spin-up
levels    fields on pressure levels             frames        channels and their statistics
pairs     consecutive frames, normalised        learning      the loss and the optimiser
state     what training changes                 release       the files that ship
report    what the network was accepted for     skill         its forecasts, scored
symmetry  its Jacobian, against theory          assimilation  a few cycles of a guided ensemble
"""
