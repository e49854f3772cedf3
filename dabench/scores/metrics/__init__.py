"""Metrics as pure functions on labelled arrays, by the definitions of WeatherBench 2.

A score is made in three steps, in this order: reduce the members at every point (`deterministic`,
`ensemble`, `categorical`, `rank`), average over the points of each region with exact cell areas
(`regions.spatial_mean`), average over time and only then take a root.

    weights = area_weights(truth)
    mse = spatial_mean(deterministic.squared_error(ensemble.mean(members), truth), weights)
    rmse = np.sqrt(mse.mean("time"))
"""

from dabench.core.layout import cell_area
from dabench.scores.metrics import categorical, deterministic, ensemble, rank
from dabench.scores.metrics.regions import UNWEIGHTED, area_weights, spatial_mean

VERSION = "1"
"""Version of the definitions, which changes whenever a number could: scores of different versions
never share a table."""

__all__ = [
    "UNWEIGHTED",
    "VERSION",
    "area_weights",
    "categorical",
    "cell_area",
    "deterministic",
    "ensemble",
    "rank",
    "spatial_mean",
]
