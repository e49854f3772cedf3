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
from dabench.scores import against_observations, departures, diagnostics, metrics
from dabench.scores.cycles import fields, off_network, seconds, weights_of
from dabench.scores.metrics.registry import METRICS
from dabench.scores.observed import has_truth
from dabench.scores.record import Cell, Key, Score, Scores, Series, Variable, finite
from dabench.scores.spectra import spectra
from dabench.scores.time_means import cells, headline, of_globe

DESCRIBED = ("scenario", "system", "method", "filter", "settings", "digest", "members", "seed",
             "cycles", "spinup", "completed", "provenance")  # fmt: skip
"""Attributes of an archive's root that scores repeat, beside the status."""


def score(path: str | Path, unweighted: bool = False) -> Scores:
    """The scores of the whole cycles of a run, made from its archive alone; nothing is written.

    Arguments:
        unweighted: Score the region `metrics.UNWEIGHTED`, too: all points, whatever their area.
    Raises: UserError where there is no run, no cycle is complete, or points have no areas.
    """
    tree = read.open_run(path)
    if tree.attrs["completed"] < 1:
        raise UserError(f"{path}: no cycle is complete yet; `dabench run` carries on.")
    if unweighted and not has_truth(tree.attrs["scenario"]):
        raise UserError(f"{path}: has no truth; observations are unweighted as they are")
    if unweighted and "latitude" not in tree["truth"].dims:
        raise UserError(f"{path}: sites have no areas; its scores are unweighted as they are")
    quiet = np.errstate(invalid="ignore", over="ignore")  # fields that diverged have no scores
    with quiet, read.whole(path):
        return _score(tree, unweighted)


def described(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """The part of `scores.json` that says what was run, from the root of an archive."""
    facts = {name: attrs[name] for name in (*DESCRIBED, "status", "lag") if name in attrs}
    return facts | {"metric_version": metrics.VERSION}


def _score(tree: xr.DataTree, unweighted: bool) -> Scores:
    cycles = slice(tree.attrs["spinup"] + 1, tree.attrs["completed"] + 1)
    if has_truth(tree.attrs["scenario"]):
        parts = _of_fields(tree, weights_of(tree["truth"].to_dataset(), unweighted), cycles)
    else:
        parts = against_observations.scored_parts(tree, cycles)
    return Scores(
        **{name: tree.attrs[name] for name in DESCRIBED},
        metric_version=metrics.VERSION,
        lag=int(tree.attrs.get("lag", 0)),
        status=Status.parse(tree.attrs["status"]),
        seconds=seconds(tree["truth"].to_dataset()["time"].values),
        observations=departures.observation_space(tree, cycles),
        ensemble=diagnostics.ensemble(tree, cycles),
        cost=diagnostics.cost(tree),
        withheld=departures.withheld(tree, cycles),
        **parts,
    )


def _of_fields(tree: xr.DataTree, weights: xr.DataArray, cycles: slice) -> dict[str, Any]:
    """The parts of a record that are of fields, held to the truth."""
    truth, scored = tree["truth"].to_dataset(), fields(tree, weights)
    status, size = Status.parse(tree.attrs["status"]), int(tree.attrs["members"])
    sound = not status.diverged
    return {
        "regions": {str(w.region.item()): int((w > 0).sum()) for w in weights},
        "variables": {name: _variable(truth, name, v) for name, v in scored.items()},
        "scores": dict(
            row for n, v in scored.items() for row in _scores(n, v, cycles, size, sound)
        ),
        "every_cycle": dict(row for n, v in scored.items() for row in _series(n, v)),
        "histograms": _histograms(scored, cycles) if sound else {},
        "spectra": _spectra(tree, cycles) if sound and "latitude" in truth.dims else {},
        "unobserved": {
            key: score
            for name, v in scored.items()
            if (off := off_network(v)).data_vars  # none where every point is observed
            for key, score in _scores(name, off, cycles, size, sound)
            if score.value is not None
        },
    }


def _variable(truth: xr.Dataset, name: str, scores: xr.Dataset) -> Variable:
    units = truth[name].attrs.get("units", "1") if name in truth else "1"
    levels = plain(scores["level"]) if "level" in scores.dims else [None]
    share = scores["valid_fraction"].isel(region=0)
    return Variable(units, tuple(levels), round(float(share.min()), 9))


def _series(name: str, scores: xr.Dataset) -> Iterator[tuple[Key, Series]]:
    """Every metric of every cell per cycle."""
    for metric in METRICS:
        if metric.name in scores:
            means = scores[metric.name]
            for region, level, numbers in cells(means**0.5 if metric.root else means):
                yield Key(name, level, region, metric.name), finite(numbers)


def _scores(
    name: str, scores: xr.Dataset, cycles: slice, size: int, sound: bool
) -> Iterator[tuple[Key, Score]]:
    """Headline values of every cell; none, whatever was scored, where the run is not sound."""
    part = (scores.isel(cycle=cycles) if sound else scores).transpose(..., "cycle")
    for metric, estimate in headline(part, size).items():
        for region, level, numbers in cells(estimate):
            score = Score(*plain(numbers)) if sound else Score(None)
            yield Key(name, level, region, metric), score


def _histograms(scored: Mapping[str, xr.Dataset], cycles: slice) -> dict[Cell, np.ndarray]:
    """Mean histogram of the randomised PIT, where members or their ranks were archived."""
    return {
        (name, level): finite(share)
        for name, scores in scored.items()
        if "pit" in scores
        for level, share in of_globe(scores["pit"].isel(cycle=cycles).mean("cycle"))
    }


def _spectra(tree: xr.DataTree, cycles: slice) -> dict[Cell, dict[str, np.ndarray]]:
    """Zonal power by wavenumber of truth, error and member in every cell."""
    powers: dict[Cell, dict[str, np.ndarray]] = {}
    for name in sorted(map(str, tree["truth"].data_vars)):
        for kind, values in spectra(tree, name, cycles).data_vars.items():
            for level, power in of_globe(values):
                powers.setdefault((name, level), {})[str(kind)] = finite(power)
    return powers
