"""The table of further scores, which `dabench score --metrics` makes on demand.

Each is a function of a sample and the weights of regions, and gives (region, cycle[, level]).
Events and categories are those of a Gaussian climate at each point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xarray as xr
import xskillscore

from dabench.scores.metrics import categorical, deterministic, ensemble
from dabench.scores.metrics.regions import spatial_mean
from dabench.scores.metrics.registry import Sample

EVENT = 0.9  # quantile of the climate that an event exceeds
TERCILES = 1 / 3, 2 / 3  # quantiles of the climate between categories

CLIMATE = "climate_mean"
"""Part of a sample that scores against the climate need; `climate_std` comes with it."""


@dataclass(frozen=True)
class FurtherScore:
    """A score that is made on demand.

    Arguments:
        name: Name in files and on the command line.
        by_region: The score before the mean over time.
        needs: Parts of a sample that it is made of, which not every archive has.
        least: Smallest number of members that have it.
    """

    name: str
    by_region: Callable[[Sample, xr.DataArray], xr.DataArray]
    needs: tuple[str, ...] = ()
    least: int = 1


def _mean(values: xr.DataArray, sample: Sample, weights: xr.DataArray) -> xr.DataArray:
    """Means over regions; points where the truth is missing do not count."""
    return spatial_mean(values.where(sample.truth.notnull()), weights, skipna=True)


def _acc(s: Sample, weights: xr.DataArray) -> xr.DataArray:
    return deterministic.acc(s.mean, s.truth, s.parts[CLIMATE], weights, skipna=True)


def _debiased(s: Sample, weights: xr.DataArray) -> xr.DataArray:
    variance = ensemble.squared(s.std)
    errors = ensemble.debiased_squared_error(s.mean, variance, s.truth, s.size)
    return _mean(errors, s, weights)


def _gaussian_crps(s: Sample, weights: xr.DataArray) -> xr.DataArray:
    score: Any = xskillscore.crps_gaussian(s.truth, s.mean, s.std, dim=[])
    return _mean(score, s, weights)


def _energy(s: Sample, weights: xr.DataArray) -> xr.DataArray:
    return ensemble.energy_score(s.members, s.truth, weights, skipna=True, pairs="all")


def _brier(s: Sample, weights: xr.DataArray) -> xr.DataArray:
    return _mean(categorical.brier(s.members, s.truth, _quantile(s, EVENT)), s, weights)


def _fair_brier(s: Sample, weights: xr.DataArray) -> xr.DataArray:
    score = categorical.brier(s.members, s.truth, _quantile(s, EVENT), fair=True)
    return _mean(score, s, weights)


def _ignorance(s: Sample, weights: xr.DataArray) -> xr.DataArray:
    return _mean(categorical.ignorance(s.members, s.truth, _quantile(s, EVENT)), s, weights)


def _rps(s: Sample, weights: xr.DataArray) -> xr.DataArray:
    thresholds = [_quantile(s, quantile) for quantile in TERCILES]
    return _mean(categorical.rps(s.members, s.truth, thresholds), s, weights)


def _quantile(s: Sample, quantile: float) -> xr.DataArray:
    return categorical.gaussian_threshold(s.parts[CLIMATE], s.parts["climate_std"], quantile)


FURTHER = {
    score.name: score
    for score in (
        FurtherScore("acc", _acc, (CLIMATE,)),
        FurtherScore("mse_debiased", _debiased, least=2),
        FurtherScore("crps_gaussian", _gaussian_crps, least=2),
        FurtherScore("energy_score", _energy, ("members",)),
        FurtherScore("brier", _brier, ("members", CLIMATE)),
        FurtherScore("brier_fair", _fair_brier, ("members", CLIMATE), least=2),
        FurtherScore("ignorance", _ignorance, ("members", CLIMATE)),
        FurtherScore("rps", _rps, ("members", CLIMATE)),
    )
}
"""All further scores by name."""
