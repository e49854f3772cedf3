"""Local analyses of ensemble Kalman filters: every point from the observations near it.

    x_n(p) <- x_n(p) + Σ_m A_m(p) T_p[m, n]      p: point and level; m, n: members

A are the anomalies of the members (or of the climate), T_p the weights that solve the local problem
of p. A filter chooses a `Solver`; the rest is shared. Read in this order:

taper        how influence falls with distance
plan         which points are analysed together, and from which observations
routes       sums over the observations near a unit, three ways; what a solver gets
gramian      functions of the Gram matrix SᵀS, for solvers
square_root  a solver, the transform of the LETKF
weighted     a solver, the mean and the covariance of weighted particles
combine      A T from all blocks, added to the members
nodes        weights at every n-th point, interpolated to the points between
inflation    inflation after an analysis, and estimated from innovations
moments      means, anomalies, perturbed observations

Words for the parts of a plan, small to large (here with two devices and three blocks a part):

    points    . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . .
    unit      |_._|                          points with the same weights (`batch`), or one node
    block     |_._._._._._|_._._._._._|...   neighbouring units, computed at a time
    part      |_._._._._._._._._._._._._._._._._|_._._._._._._._._._._._._._._._._._|
                    device 0: three blocks              device 1: three blocks

    locations of observations, south to north:
              o o o oo o o  o o o o o oo  o o o o
                  |____________|             window: the locations within reach of a block

With nodes (`weight_stride` > 1) a block's weights reach points that other blocks reach too:

    points    . . . . . . . . . . . . . . . . . .
    nodes     N       N       N       N       N
    band      |_______________|                  consecutive blocks of nodes
    strip     |_______________________|          the points that take weights from a band; their
                                                 increments are in memory, the rest is finished
"""
