"""Errors, files, layouts of states, random streams and devices, for every stage.

layout      names and coordinates of a state       types       shapes of keys, members and times
errors      mistakes of users, cautions            files       writes that are whole or absent
zarr_layout arrays before they have values
plain       numbers as JSON has them               digest      whether settings are the same
random      named random streams
precision   float64 where it is enabled            memory      free memory
devices     members split across devices           processes   several processes as one run
jax_setup   JAX's configuration                    workers     a pool of processes
provenance  versions, commit, hardware              version     dabench's own version
quality     why a value is not used
"""
