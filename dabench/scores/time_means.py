"""Means over the scored cycles with their 95 % intervals, roots last."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from dabench.core.plain import plain
from dabench.scores import intervals
from dabench.scores.metrics.ensemble import spread_skill_ratio
from dabench.scores.metrics.registry import METRICS, ROOT_FIRST
from dabench.scores.record import GLOBAL


def headline(scores: xr.Dataset, members: int) -> dict[str, xr.DataArray]:
    """Values over all cycles with their intervals: (..., value | low | high) per metric.

    The interval of a root is the root of the mean's; that of the spread-skill ratio is by the delta
    method on its logarithm. `*_root_first` average the roots of every cycle, as DAPPER does.

    Arguments:
        scores: Means over regions before their root, by metric (..., cycle).
    """
    if not scores.sizes["cycle"]:
        return {}
    scored = [metric for metric in METRICS if metric.name in scores]
    values = {m.name: over_cycles(scores[m.name]) for m in scored if not m.root}
    for metric in (m for m in scored if m.root):
        means = scores[metric.name]
        values[metric.name] = over_cycles(means).clip(0) ** 0.5
        values[metric.name + ROOT_FIRST] = over_cycles(means**0.5)
    if members > 1:
        values["spread_skill"] = _ratio(scores["spread"], scores["rmse"], members)
    return values


def over_cycles(series: xr.DataArray) -> xr.DataArray:
    """The mean of a series (..., cycle) with its interval: (..., value | low | high)."""
    estimate = intervals.ewc(series.values)
    return _bounded(series, estimate.mean, *estimate.interval())


def _ratio(variance: xr.DataArray, mse: xr.DataArray, members: int) -> xr.DataArray:
    v, m = variance.mean("cycle"), mse.mean("cycle")
    value = spread_skill_ratio(v, m, members)
    low, high = intervals.ewc((0.5 * (variance / v - mse / m)).values).interval()
    return _bounded(mse, value.values, value.values * np.exp(low), value.values * np.exp(high))


def _bounded(like: xr.DataArray, value: Any, low: Any, high: Any) -> xr.DataArray:
    coords = {k: c for k, c in like.coords.items() if "cycle" not in c.dims}
    return xr.DataArray(np.stack([value, low, high], -1), coords, (*like.dims[:-1], "bound"))


def cells(values: xr.DataArray) -> Iterator[tuple[str, float | None, np.ndarray]]:
    """(region, level, values over the remaining dimension) of every region and level."""
    if "level" not in values.dims:
        values = values.expand_dims(level=[np.nan])
    rest = [d for d in values.dims if d not in ("region", "level")]
    values = values.transpose("region", "level", *rest)
    for i, region in enumerate(values["region"].values):
        for j, level in enumerate(values["level"].values):
            yield str(region), plain(level), values.values[i, j]


def of_globe(values: xr.DataArray) -> Iterator[tuple[float | None, np.ndarray]]:
    """(level, values) of an array that has no regions."""
    for _, level, numbers in cells(values.expand_dims(region=[GLOBAL])):
        yield level, numbers
