"""Scores of events: exceeding a threshold, and categories between thresholds. At every point.

Source: WeatherBench 2 (arXiv 2308.15560), its evaluation code at 021c0b3; papers at the functions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
import xskillscore
from scipy import stats


def gaussian_threshold(mean: xr.DataArray, std: xr.DataArray, quantile: float) -> xr.DataArray:
    """The quantile of a Gaussian climate."""
    return mean + stats.norm.ppf(quantile) * std


def brier(
    ensemble: xr.DataArray,
    truth: xr.DataArray,
    threshold: xr.DataArray,
    dim: str = "member",
    *,
    fair: bool = False,
) -> xr.DataArray:
    """Brier score of the event "above the threshold"; NaN stays NaN.

    Arguments:
        fair: Whether to subtract the sampling variance of the forecast probability (Ferro 2007,
            Weather Forecast. 22, 1076), which makes the score of a single member NaN.
    """
    complete = ensemble.notnull().all(dim) & truth.notnull()
    with np.errstate(invalid="ignore"):
        score: Any = xskillscore.brier_score(
            truth > threshold, ensemble > threshold, member_dim=dim, fair=fair, dim=[]
        )
    return score.where(complete)


def ignorance(
    ensemble: xr.DataArray, truth: xr.DataArray, threshold: xr.DataArray, dim: str = "member"
) -> xr.DataArray:
    """-ln of the probability given to what happened; infinite where no member had it.

    NaN counts as "not above", as in WeatherBench 2.
    """
    probability = (ensemble > threshold).mean(dim, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return -np.log(xr.where(truth > threshold, probability, 1 - probability))


def rps(
    ensemble: xr.DataArray,
    truth: xr.DataArray,
    thresholds: Sequence[xr.DataArray],
    dim: str = "member",
) -> xr.DataArray:
    """Ranked probability score: squared difference of the distribution functions at thresholds.

    Strictly below counts; no correction for the size of the ensemble.

    Source: Epstein (1969), J. Appl. Meteor. 8, 985.
    """
    below, was_below = (
        xr.concat([x < t for t in thresholds], "category").astype(np.float64)
        for x in (ensemble, truth)
    )
    score: Any = xskillscore.rps(
        was_below,
        below,
        category_edges=None,
        input_distributions="c",
        member_dim=dim,
        dim=[],
    )
    return score
