"""Errors of one field against the truth: pointwise, and averaged over space.

Nothing here averages over time, and no root is taken before it would be: RMSE is
`sqrt(mse.mean("time"))`, roots last. Other dimensions (level, member) are kept.

Source: WeatherBench 2 (arXiv 2308.15560), section 3 and its evaluation code at 021c0b3.
"""

import numpy as np
import xarray as xr

from dabench.scores.metrics.regions import spatial_mean


def error(forecast: xr.DataArray, truth: xr.DataArray) -> xr.DataArray:
    """forecast - truth at every point, in float64; units of the variable."""
    return forecast.astype(np.float64) - truth.astype(np.float64)


def wind_vector_error(
    u: xr.DataArray, v: xr.DataArray, u_truth: xr.DataArray, v_truth: xr.DataArray
) -> xr.DataArray:
    """Length of the wind vector's error at every point, m s-1; its square averages to the MSE."""
    return (error(u, u_truth) ** 2 + error(v, v_truth) ** 2) ** 0.5


def mse(
    forecast: xr.DataArray, truth: xr.DataArray, weights: xr.DataArray, skipna: bool = False
) -> xr.DataArray:
    """Mean square error over each region, squared units; no root."""
    return spatial_mean(error(forecast, truth) ** 2, weights, skipna)


def mae(
    forecast: xr.DataArray, truth: xr.DataArray, weights: xr.DataArray, skipna: bool = False
) -> xr.DataArray:
    """Mean absolute error over each region."""
    return spatial_mean(abs(error(forecast, truth)), weights, skipna)


def bias(
    forecast: xr.DataArray, truth: xr.DataArray, weights: xr.DataArray, skipna: bool = False
) -> xr.DataArray:
    """Mean error over each region, forecast minus truth."""
    return spatial_mean(error(forecast, truth), weights, skipna)


def root_mean(mean_square: xr.DataArray, time: str, skipna: bool = False) -> xr.DataArray:
    """The root of a mean over time: RMSE from `mse`, spread from `variance`."""
    return mean_square.mean(time, skipna=skipna) ** 0.5


def acc(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    climatology: xr.DataArray,
    weights: xr.DataArray,
    skipna: bool = False,
) -> xr.DataArray:
    """Anomaly correlation in each region, uncentred: <f'y'> / sqrt(<f'f'> <y'y'>).

    Arguments:
        climatology: Expected value at the times of the truth (see `at_times`).
    """
    f, y = error(forecast, climatology), error(truth, climatology)
    product, ff, yy = (spatial_mean(x, weights, skipna) for x in (f * y, f * f, y * y))
    return product / (ff * yy) ** 0.5


def at_times(climatology: xr.DataArray, time: xr.DataArray) -> xr.DataArray:
    """Pick from a (hour, dayofyear, ...) climatology the value that belongs to each time.

    Arguments:
        climatology: With dimension `dayofyear` and possibly `hour`.
        time: Dates (datetime64), one-dimensional; its dimension comes first in the result.
    """
    index = {"dayofyear": time.dt.dayofyear}
    if "hour" in climatology.dims:
        index["hour"] = time.dt.hour
    return climatology.sel(index).drop_vars(["dayofyear", "hour"], errors="ignore")
