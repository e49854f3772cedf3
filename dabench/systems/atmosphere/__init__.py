"""What the embedded atmospheres share: their files, their truth, and how their network is made.

atmosphere  the fields of one of them, on which levels and over which ground
grid        the latitude-longitude grids of the states, and the noise on them
int16       frames packed into integers
files       the names of the files that ship, and their digest
system      model, truth and climate out of those files
training    from a nature run to those files
"""
