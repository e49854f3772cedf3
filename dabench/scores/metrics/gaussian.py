"""Scores of a Gaussian forecast given by its mean and standard deviation. Pointwise, float64.

Source: WeatherBench 2 (arXiv 2308.15560), its evaluation code at 021c0b3; papers at the functions.
"""

import numpy as np
import xarray as xr
from scipy import stats

from dabench.scores.metrics.categorical import _surprise
from dabench.scores.metrics.deterministic import error


def _apply(function, x: xr.DataArray) -> xr.DataArray:
    return xr.apply_ufunc(function, x)


def crps(mean: xr.DataArray, std: xr.DataArray, truth: xr.DataArray) -> xr.DataArray:
    """CRPS in closed form; units of the variable. Source: Gneiting et al. (2005), MWR 133, 1098."""
    z = error(truth, mean) / std
    inside = z * (2 * _apply(stats.norm.cdf, z) - 1) + 2 * _apply(stats.norm.pdf, z)
    return std * (inside - 1 / np.sqrt(np.pi))


def variance(std: xr.DataArray) -> xr.DataArray:
    """The variance of the forecast."""
    return std.astype(np.float64) ** 2


def _below(mean: xr.DataArray, std: xr.DataArray, threshold: xr.DataArray) -> xr.DataArray:
    return _apply(stats.norm.cdf, error(threshold, mean) / std)


def brier(
    mean: xr.DataArray, std: xr.DataArray, truth: xr.DataArray, threshold: xr.DataArray
) -> xr.DataArray:
    """Brier score of the event "above the threshold"."""
    return (1 - _below(mean, std, threshold) - (truth > threshold)) ** 2


def ignorance(
    mean: xr.DataArray, std: xr.DataArray, truth: xr.DataArray, threshold: xr.DataArray
) -> xr.DataArray:
    """-ln of the probability given to what happened, above the threshold or not."""
    return _surprise(1 - _below(mean, std, threshold), truth > threshold)


def rps(
    mean: xr.DataArray, std: xr.DataArray, truth: xr.DataArray, thresholds: list[xr.DataArray]
) -> xr.DataArray:
    """Ranked probability score at thresholds."""
    parts = [(_below(mean, std, t) - (truth < t)) ** 2 for t in thresholds]
    return sum(parts[1:], start=parts[0])
