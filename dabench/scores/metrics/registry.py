"""The table of metrics: one function and one row each. All else reads this table.

A row says how a metric is made at every point of every cycle; `scores.cycles` averages that over
each region, `scores.score` over time, and takes the root last where the row says so. Tables,
figures, comparisons and pages take names and titles from here.

To add a metric, write its function in a module of this package and put a row below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import xarray as xr

from dabench.scores.metrics import deterministic, ensemble


@dataclass(frozen=True)
class Sample:
    """One variable of a run over some cycles, as far as it was archived.

    Arguments:
        size: Number of members.
        parts: Arrays (cycle[, level], *space) by name: truth, mean and std (ddof = 1) always;
            members, with dimension `member`, skill and distance where they were archived.
    """

    size: int
    parts: Mapping[str, xr.DataArray]

    @property
    def truth(self) -> xr.DataArray:
        """The truth Y."""
        return self.parts["truth"]

    @property
    def mean(self) -> xr.DataArray:
        """Mean of the members X."""
        return self.parts["mean"]

    @property
    def std(self) -> xr.DataArray:
        """Standard deviation of the members, with M - 1 in the denominator."""
        return self.parts["std"]

    @property
    def members(self) -> xr.DataArray:
        """All members X."""
        return self.parts["members"]

    @property
    def skill(self) -> xr.DataArray:
        """E|X - Y|, see `ensemble.crps_skill`."""
        return self.parts["skill"]

    @property
    def distance(self) -> xr.DataArray:
        """E|X - X'| over pairs of different members, see `ensemble.crps_spread`."""
        return self.parts["distance"]


@dataclass(frozen=True)
class Metric:
    """A metric that every run is scored with.

    Arguments:
        name: Name in files, tables of the command line and settings.
        title: Name in tables and pages.
        pointwise: The metric at every point, before any mean; None for the ratio of two others.
        better: Which values are better.
        root: Whether the root of the mean over space and time is the metric.
        needs: Part of a sample that it is made of, which not every archive has.
        least: Smallest number of members that have it.
        tested: Whether methods are compared by it unless others are asked for, for which results
            keep its series in every cell.
        tabled: Whether tables show it.
        overview: Whether the overview of a board can show it.
        curve: Heading of its figure against time; nothing where there is none.
        has_units: Whether it has the units of the variable.
    """

    name: str
    title: str
    pointwise: Callable[[Sample], xr.DataArray] | None
    better: Literal["less", "near zero", "near one", "neither"]
    root: bool = False
    needs: Literal["mean", "skill", "members"] = "mean"
    least: int = 1
    tested: bool = False
    tabled: bool = True
    overview: bool = False
    curve: str = ""
    has_units: bool = True

    def is_of(self, sample: Sample) -> bool:
        """Whether a sample has what the metric is made of."""
        return sample.size >= self.least and self.needs in sample.parts


METRICS = (
    Metric(
        "rmse",
        "RMSE",
        lambda s: deterministic.squared_error(s.mean, s.truth),
        better="less",
        root=True,
        tested=True,
        overview=True,
        curve="RMSE of the ensemble mean",
    ),
    Metric(
        "spread",
        "spread",
        lambda s: ensemble.squared(s.std),
        better="neither",
        root=True,
        least=2,
        overview=True,
        curve="Ensemble spread",
    ),
    Metric(
        "spread_skill",
        "spread/skill",
        None,
        better="near one",
        least=2,
        overview=True,
        has_units=False,
    ),
    Metric(
        "crps",
        "CRPS",
        lambda s: ensemble.crps_of_parts(s.skill, s.distance, s.size),
        better="less",
        needs="skill",
        tested=True,
        overview=True,
        curve="CRPS",
    ),
    Metric(
        "crps_plain",
        "CRPS, plain",
        lambda s: ensemble.crps_of_parts(s.skill, s.distance, s.size, fair=False),
        better="less",
        needs="skill",
    ),
    Metric("bias", "bias", lambda s: deterministic.error(s.mean, s.truth), better="near zero"),
    Metric(
        "mae",
        "MAE",
        lambda s: deterministic.absolute_error(s.mean, s.truth),
        better="less",
        tabled=False,
    ),
)
"""All metrics, in the order of tables."""

BY_NAME = {metric.name: metric for metric in METRICS}

TESTED = tuple(metric.name for metric in METRICS if metric.tested)

ROOT_FIRST = "_root_first"
"""Suffix of the mean of the roots of every cycle, which DAPPER's tables have."""


def names() -> list[str]:
    """The names of all scores over the cycles that a run may have."""
    return [metric.name for metric in METRICS] + [m.name + ROOT_FIRST for m in METRICS if m.root]


def titles() -> dict[str, str]:
    """Titles by name of the metrics that tables show."""
    return {metric.name: metric.title for metric in METRICS if metric.tabled}
