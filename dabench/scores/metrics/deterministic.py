"""Errors of one field against the truth, at every point and averaged over regions.

Nothing here averages over time, and no root is taken before it would be: the RMSE is
`sqrt(spatial_mean(squared_error(f, y), weights).mean("time"))`. Other dimensions (level, member)
are kept.

Source: WeatherBench 2 (arXiv 2308.15560), section 3 and its evaluation code at 021c0b3.
"""

from typing import Any

import numpy as np
import xarray as xr
import xskillscore

from dabench.scores.metrics.regions import spatial_mean


def error(forecast: xr.DataArray, truth: xr.DataArray) -> xr.DataArray:
    """forecast - truth at every point, in float64; units of the variable."""
    return forecast.astype(np.float64) - truth.astype(np.float64)


def squared_error(forecast: xr.DataArray, truth: xr.DataArray) -> xr.DataArray:
    """Squared error at every point, in float64; squared units, no root."""
    square: Any = xskillscore.mse(forecast.astype(np.float64), truth.astype(np.float64), dim=[])
    return square


def absolute_error(forecast: xr.DataArray, truth: xr.DataArray) -> xr.DataArray:
    """Absolute error at every point, in float64; units of the variable."""
    size: Any = xskillscore.mae(forecast.astype(np.float64), truth.astype(np.float64), dim=[])
    return size


def acc(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    climatology: xr.DataArray,
    weights: xr.DataArray,
    skipna: bool = False,
) -> xr.DataArray:
    """Anomaly correlation in each region, uncentred: <f'y'> / sqrt(<f'f'> <y'y'>).

    Arguments:
        climatology: Expected value at the times of the truth.
        weights: (region, *space), as `area_weights` makes them.
        skipna: Whether points of missing data are left out of the means.
    """
    f, y = error(forecast, climatology), error(truth, climatology)
    product, ff, yy = (spatial_mean(x, weights, skipna) for x in (f * y, f * f, y * y))
    return product / (ff * yy) ** 0.5
