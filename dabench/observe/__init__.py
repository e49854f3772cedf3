"""Observations: the network of a scenario, its operator h, its noise, and y made from the truth.

    groups of a scenario -> stations (where) -> operators (what: h) -> network (h, R, table, y)

Read in this order:

stations    stations of a group, their corners on the grid, and which of them are withheld
functions   variables that are computed from several values, or moved to a height
operators   the variables a group observes, and h as one gather from the state
availability  which stations report in a cycle
measured      real values of a table, by the cycles that they count for
errors        errors that are correlated, or not as methods assume
buddies       neighbours of each observation, for quality control
network     all observations of a scenario, their noise, and y of a cycle
withheld    the ensemble at observations that are withheld from methods
"""

from dabench.observe.network import Network, Observation

__all__ = ["Network", "Observation"]
