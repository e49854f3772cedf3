"""What the embedded atmospheres share: their files, their truth, and how their network is made.

atmosphere  the fields of one of them, on which levels and over which ground
grid        the latitude-longitude grids of the states, and the noise on them
coasts      what of the stationary fields lies outside the band
means       what the global means of a state obey
int16       frames packed into integers
files       the names of the files that ship, and their digest
model       the network as a diffusion model
system      model, truth and climate out of those files
training    from a nature run to those files
"""
