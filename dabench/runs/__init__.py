"""One experiment, from a scenario and a method to the archive of a run.

experiment  a scenario with system, networks, truth   execute     jobs, one after the other
twin        truth, observations, initial members      cycle       the loop over cycles
step        one compiled step                         summary     what archives keep of members
archive/    the zarr of a run                         exchange/   runs in other tools' layouts
estimate    cost before anything runs                 memory      what fits, and what to change
progress    what the terminal shows                   conformance a filter's contract, checked
differences initial members as in practice
"""
