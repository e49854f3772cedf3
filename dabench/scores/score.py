"""From an archive to its scores, without JAX.

Headline values leave out the spin-up and take roots last. The values of a run that diverged are
missing: what it scored before says nothing about a method that fails. Its series stay.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dabench.core.errors import UserError
from dabench.core.plain import plain
from dabench.runs.archive import read
from dabench.runs.archive.status import Status
from dabench.scores import diagnostics, intervals, metrics
from dabench.scores.cycles import fields, seconds, weights_of
from dabench.scores.metrics.ensemble import spread_skill_ratio
from dabench.scores.record import GLOBAL, Cell, Key, Score, Scores, Series, Variable, finite
from dabench.scores.spectra import spectra

MEANS = ("crps", "crps_plain", "bias", "mae")
"""Metrics whose headline value is the mean of their series."""

ROOTS = {"rmse": "mse", "spread": "variance"}
"""Metrics that are the root of a mean, and the mean's series."""

DESCRIBED = ("scenario", "system", "method", "filter", "settings", "digest", "members", "seed",
             "cycles", "spinup", "completed", "provenance")  # fmt: skip
"""Attributes of an archive's root that scores repeat, beside the status."""


def score(path: str | Path) -> Scores:
    """The scores of the whole cycles of a run, made from its archive alone; nothing is written.

    Raises: UserError where there is no run, or no cycle is complete.
    """
    tree = read.open_run(path)
    if tree.attrs["completed"] < 1:
        raise UserError(f"{path}: no cycle is complete yet; `dabench run` carries on.")
    with np.errstate(invalid="ignore", over="ignore"):  # fields that diverged have no scores
        return _score(tree)


def described(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """The part of `scores.json` that says what was run, from the root of an archive."""
    facts = {name: attrs[name] for name in (*DESCRIBED, "status")}
    return facts | {"metric_version": metrics.VERSION}


def _score(tree: xr.DataTree) -> Scores:
    truth = tree["truth"].to_dataset()
    weights = weights_of(truth)
    scored = fields(tree, weights)
    status, size = Status.parse(tree.attrs["status"]), int(tree.attrs["members"])
    cycles = slice(tree.attrs["spinup"] + 1, tree.attrs["completed"] + 1)
    sound = not status.diverged
    return Scores(
        **{name: tree.attrs[name] for name in DESCRIBED},
        metric_version=metrics.VERSION,
        status=status,
        regions={str(w.region.item()): int((w > 0).sum()) for w in weights},
        variables={name: _variable(truth, name, v) for name, v in scored.items()},
        seconds=seconds(truth["time"].values),
        scores=dict(row for n, v in scored.items() for row in _scores(n, v, cycles, size, sound)),
        every_cycle=dict(row for n, v in scored.items() for row in _series(n, v, size)),
        histograms=_histograms(scored, cycles) if sound else {},
        spectra=_spectra(tree, cycles) if sound and "latitude" in truth.dims else {},
        observations=diagnostics.observation_space(tree, cycles),
        ensemble=diagnostics.ensemble(tree, cycles),
        cost=diagnostics.cost(tree),
        withheld=diagnostics.withheld(tree, cycles),
    )


def _variable(truth: xr.Dataset, name: str, scores: xr.Dataset) -> Variable:
    units = truth[name].attrs.get("units", "1") if name in truth else "1"
    levels = plain(scores["level"]) if "level" in scores.dims else [None]
    share = scores["valid_fraction"].isel(region=0)
    return Variable(units, tuple(levels), round(float(share.min()), 9))


def _cells(values: xr.DataArray) -> list[tuple[str, float | None, np.ndarray]]:
    """(region, level, values over the remaining dimension) of every cell."""
    if "level" not in values.dims:
        values = values.expand_dims(level=[np.nan])
    rest = [d for d in values.dims if d not in ("region", "level")]
    values = values.transpose("region", "level", *rest)
    return [
        (str(region), plain(level), values.values[i, j])
        for i, region in enumerate(values["region"].values)
        for j, level in enumerate(values["level"].values)
    ]


def _of_globe(values: xr.DataArray) -> Iterator[tuple[float | None, np.ndarray]]:
    """(level, values) of an array that has no regions."""
    for _, level, numbers in _cells(values.expand_dims(region=[GLOBAL])):
        yield level, numbers


def _series(name: str, scores: xr.Dataset, size: int) -> Iterator[tuple[Key, Series]]:
    """Every metric of every cell per cycle; a single member has no spread."""
    series = {m: scores[base] ** 0.5 for m, base in ROOTS.items() if m == "rmse" or size > 1}
    series |= {m: scores[m] for m in MEANS if m in scores}
    for metric, values in series.items():
        for region, level, numbers in _cells(values):
            yield Key(name, level, region, metric), finite(numbers)


def _scores(
    name: str, scores: xr.Dataset, cycles: slice, size: int, sound: bool
) -> Iterator[tuple[Key, Score]]:
    """Headline values of every cell; none, whatever was scored, where the run is not sound."""
    part = (scores.isel(cycle=cycles) if sound else scores).transpose(..., "cycle")
    for metric, estimate in headline(part, size).items():
        for region, level, numbers in _cells(estimate):
            score = Score(*plain(numbers)) if sound else Score(None)
            yield Key(name, level, region, metric), score


def headline(scores: xr.Dataset, members: int) -> dict[str, xr.DataArray]:
    """Values over all cycles with their 95 % intervals: (..., value | low | high) per metric.

    The interval of a root is the root of the mean's; that of the spread-skill ratio is by the delta
    method on its logarithm. `*_root_first` average the roots of every cycle, as DAPPER does.

    Arguments:
        scores: Series mse, variance, .. (..., cycle).
    """
    if not scores.sizes["cycle"]:
        return {}
    values = {metric: _mean(scores[metric]) for metric in MEANS if metric in scores}
    for metric, base in ROOTS.items():
        if metric == "rmse" or members > 1:
            values[metric] = _mean(scores[base]).clip(0) ** 0.5
            values[f"{metric}_root_first"] = _mean(scores[base] ** 0.5)
    if members > 1:
        values["spread_skill"] = _ratio(scores["variance"], scores["mse"], members)
    return values


def _mean(series: xr.DataArray) -> xr.DataArray:
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


def _histograms(scored: Mapping[str, xr.Dataset], cycles: slice) -> dict[Cell, np.ndarray]:
    """Mean histogram of the randomised PIT, where members or their ranks were archived."""
    return {
        (name, level): finite(share)
        for name, scores in scored.items()
        if "pit" in scores
        for level, share in _of_globe(scores["pit"].isel(cycle=cycles).mean("cycle"))
    }


def _spectra(tree: xr.DataTree, cycles: slice) -> dict[Cell, dict[str, np.ndarray]]:
    """Zonal power by wavenumber of truth, error and member in every cell."""
    powers: dict[Cell, dict[str, np.ndarray]] = {}
    for name in sorted(map(str, tree["truth"].data_vars)):
        for kind, values in spectra(tree, name, cycles).data_vars.items():
            for level, power in _of_globe(values):
                powers.setdefault((name, level), {})[str(kind)] = finite(power)
    return powers
