"""Scores of events: exceeding a threshold, and the categories of precipitation. Pointwise.

Source: WeatherBench 2 (arXiv 2308.15560), its evaluation code at 021c0b3; papers at the functions.
"""

import numpy as np
import xarray as xr
from scipy import stats

from dabench.scores.metrics.ensemble import debiased_mean_squared_error, mean

DRY = {"total_precipitation_24hr": 0.25e-3, "total_precipitation_6hr": 0.1e-3}
"""Below which accumulation (m) SEEPS calls it dry."""


def quantile_threshold(quantiles: xr.DataArray, quantile: float) -> xr.DataArray:
    """The climatological quantile nearest to the one asked for, at most 0.01 away (else KeyError).

    Arguments:
        quantiles: With dimension `quantile`.
    """
    found = quantiles.sel(quantile=quantile, method="nearest", tolerance=0.01)
    return found.drop_vars("quantile")


def gaussian_threshold(mean: xr.DataArray, std: xr.DataArray, quantile: float) -> xr.DataArray:
    """The quantile of a Gaussian climatology."""
    return mean + stats.norm.ppf(quantile) * std


def _exceeds(x: xr.DataArray, threshold: xr.DataArray) -> xr.DataArray:
    return (x > threshold).astype(np.float64)


def _exceeds_or_nan(x: xr.DataArray, threshold: xr.DataArray) -> xr.DataArray:
    return _exceeds(x, threshold).where(x.notnull())


def brier(
    ensemble: xr.DataArray,
    truth: xr.DataArray,
    threshold: xr.DataArray,
    dim: str = "member",
    debiased: bool = False,
) -> xr.DataArray:
    """Brier score of the event "above the threshold"; NaN stays NaN.

    Arguments:
        debiased: Subtract the sampling variance of the forecast probability (Ferro 2007, Weather
            Forecast. 22, 1076); NaN for a single member.
    """
    forecast, event = _exceeds_or_nan(ensemble, threshold), _exceeds_or_nan(truth, threshold)
    if debiased:
        return debiased_mean_squared_error(forecast, event, dim)
    return (mean(forecast, dim) - event) ** 2


def ignorance(
    ensemble: xr.DataArray, truth: xr.DataArray, threshold: xr.DataArray, dim: str = "member"
) -> xr.DataArray:
    """-ln of the probability given to what happened; infinite where no member had it.

    NaN counts as "not above", as in WeatherBench 2.
    """
    return _surprise(mean(_exceeds(ensemble, threshold), dim), truth > threshold)


def _surprise(probability: xr.DataArray, event: xr.DataArray) -> xr.DataArray:
    with np.errstate(divide="ignore"):
        return -np.log(xr.where(event, probability, 1 - probability))


def rps(
    ensemble: xr.DataArray,
    truth: xr.DataArray,
    thresholds: list[xr.DataArray],
    dim: str = "member",
) -> xr.DataArray:
    """Ranked probability score: squared difference of the distribution functions at thresholds.

    Strictly below counts; no correction for the size of the ensemble. Source: Epstein (1969),
    J. Appl. Meteor. 8, 985.
    """
    parts = [
        (mean((ensemble < t).astype(np.float64), dim) - (truth < t).astype(np.float64)) ** 2
        for t in thresholds
    ]
    return sum(parts[1:], start=parts[0])


def seeps(
    forecast: xr.DataArray,
    truth: xr.DataArray,
    heavy: xr.DataArray,
    dry_fraction: xr.DataArray,
    dry: float = DRY["total_precipitation_24hr"],
    limits: tuple[float, float] = (0.1, 0.85),
) -> xr.DataArray:
    """Stable equitable error in probability space of one forecast of precipitation.

    Average it with skipna: points too dry or too wet are NaN, as are points of missing data.

    Arguments:
        forecast, truth: Accumulated precipitation, m.
        heavy: Climatological threshold of heavy precipitation at the times of the truth, m.
        dry_fraction: Climatological probability of a dry day, (hour, dayofyear, latitude,
            longitude); its mean over the first two is p1 of the paper.
        dry: Below it is dry, exactly on it is in no category, m.
        limits: p1 must lie strictly between them.
    Source: Rodwell et al. (2010), QJRMS 136, 1344.
    """
    days = [d for d in ("hour", "dayofyear") if d in dry_fraction.dims]
    p1 = dry_fraction.astype(np.float64).mean(days)
    p1 = p1.where((p1 > limits[0]) & (p1 < limits[1]))
    penalty = _seeps_matrix(p1)
    said, was = _precipitation(forecast, dry, heavy), _precipitation(truth, dry, heavy)
    cells = [penalty[i][j] * said[i] * was[j] for i in range(3) for j in range(3) if i != j]
    total = sum(cells[1:], start=cells[0])
    return total.where(forecast.notnull() & truth.notnull())


def _seeps_matrix(p1: xr.DataArray) -> list[list[xr.DataArray]]:
    """Rows: forecast dry, light, heavy; columns: the same of the truth."""
    zero = xr.zeros_like(p1)
    return [
        [zero, 0.5 / (1 - p1), 2 / (1 - p1)],
        [0.5 / p1, zero, 1.5 / (1 - p1)],
        [0.5 / p1 + 1.5 / (2 + p1), 1.5 / (2 + p1), zero],
    ]


def _precipitation(x: xr.DataArray, dry: float, heavy: xr.DataArray) -> list[xr.DataArray]:
    return [x < dry, (x > dry) & (x < heavy), x >= heavy]
