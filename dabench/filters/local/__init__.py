"""Local analyses of ensemble Kalman filters: every point with the observations near it.

plan       which points are analysed together, and with which observations
taper      how influence falls with distance          nodes      weights between nodes
routes     how sums over observations are made        combine    members from local weights
gramian    functions of the ensemble's Gram matrix    inflation  adaptive inflation
moments    means, anomalies, perturbed observations
"""
