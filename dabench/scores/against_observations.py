"""Scores of a run without a truth: against observations, whose errors are in every number.

The observations are those that are withheld from methods, held to the analysis. Where none are,
they are those that are assimilated, held to the forecast before it sees them. A cell is a variable
and level that is observed; every observation weighs alike, whatever its place.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float
from scipy.special import ndtr

from dabench.core.plain import plain
from dabench.runs.archive.status import Status
from dabench.scores.departures import (
    REGIONS,
    ByCycle,
    Flags,
    departures_of,
    groups_of,
    present_in,
)
from dabench.scores.metrics.regions import inside
from dabench.scores.metrics.registry import BY_NAME, METRICS
from dabench.scores.record import GLOBAL, Cell, Key, Score, Series, Variable, finite
from dabench.scores.time_means import headline


class Verification(NamedTuple):
    """Predictions of observations, arrays (cycle, observation).

    Arguments:
        departure: y - mean h(x).
        spread: Variance of h(x) over the members; NaN where it is not known.
        error_var: (observation,) variance of the errors.
        present: Whether an observation is there.
        latitude, longitude: (observation,) in degrees.
        cells: Variable and level, with units and the numbers of its observations.
    """

    departure: ByCycle
    spread: ByCycle
    error_var: Float[np.ndarray, "observation"]
    present: Flags
    latitude: Float[np.ndarray, "observation"]
    longitude: Float[np.ndarray, "observation"]
    cells: Mapping[Cell, tuple[str, np.ndarray]]


def scored_parts(tree: xr.DataTree, cycles: slice) -> dict[str, Any]:
    """The parts of a record that are of fields where there is a truth.

    `spread` has the errors of observations in it, as the RMSE has: their ratio is one where both
    the ensemble and the errors are right. `crps` is that of a normal distribution with the mean of
    the ensemble, and its variance with that of the errors.

    Arguments:
        tree: Archive of the run.
        cycles: Cycles that are scored.
    """
    status, size = Status.parse(tree.attrs["status"]), int(tree.attrs["members"])
    verified, sound = verification(tree), not status.diverged
    every_cycle = {} if verified is None else dict(_series(verified, size))
    scores: dict[Key, Score] = {}
    for key in dict.fromkeys(key._replace(metric="") for key in every_cycle):
        own = {k.metric: v[cycles] for k, v in every_cycle.items() if k._replace(metric="") == key}
        scores |= {key._replace(metric=m): s for m, s in _headline(own, size, sound).items()}
    regions = {} if verified is None else dict(_regions(verified))
    return {
        "regions": {name: int(there.sum()) for name, there in regions.items()},
        "variables": {} if verified is None else _variables(verified),
        "scores": scores,
        "every_cycle": every_cycle,
        "histograms": {},
        "spectra": {},
        "unobserved": {},
    }


def verification(tree: xr.DataTree) -> Verification | None:
    """What a run predicts of the observations that it is held to; None where it predicts none."""
    members = int(tree.attrs["members"])
    if "withheld" in tree:
        observed = predicted = tree["withheld"].to_dataset()
        stage = "analysis"
    else:
        observed, predicted = (tree[n].to_dataset() for n in ("observations", "diagnostics"))
        stage = "background"
    if f"{stage}_obs" not in predicted:
        return None
    departure, spread, _ = departures_of(observed, predicted, stage, members)
    cells: dict[Cell, tuple[str, np.ndarray]] = {}
    for group in groups_of(observed):
        cell = str(group.about["variable"]), group.about["level"]
        units, columns = cells.get(cell, (str(group.about["units"]), np.zeros(0, int)))
        cells[cell] = units, np.concatenate([columns, group.columns])
    return Verification(
        departure,
        spread,
        observed["error_std"].values ** 2,
        present_in(observed),
        observed["latitude"].values,
        observed["longitude"].values,
        cells,
    )


def _regions(verified: Verification) -> Iterator[tuple[str, Bool[np.ndarray, "observation"]]]:
    """Names of regions, and which observations lie there."""
    yield GLOBAL, np.ones(len(verified.latitude), bool)
    for region in REGIONS:
        yield region, inside(region, verified.latitude, verified.longitude)


def _variables(verified: Verification) -> dict[str, Variable]:
    variables: dict[str, Variable] = {}
    for (name, level), (units, _) in verified.cells.items():
        levels = variables[name].levels if name in variables else ()
        levels = sorted({*levels, level}, key=lambda p: -1.0 if p is None else p)
        variables[name] = Variable(units, tuple(levels))
    return dict(sorted(variables.items()))


def _series(verified: Verification, size: int) -> Iterator[tuple[Key, Series]]:
    """Every metric of every cell and region per cycle; NaN where nothing is observed there."""
    values = dict(_pointwise(verified, size))
    for (name, level), (_, columns) in verified.cells.items():
        for region, there in _regions(verified):
            own = columns[there[columns]]
            present = verified.present[:, own]
            count = present.sum(1)
            if not count.any():
                continue
            for metric, numbers in values.items():
                with np.errstate(invalid="ignore", divide="ignore"):
                    mean = np.where(present, numbers[:, own], 0).sum(1) / count
                root = BY_NAME[metric].root
                yield Key(name, level, region, metric), finite(np.sqrt(mean) if root else mean)


def _pointwise(verified: Verification, size: int) -> Iterator[tuple[str, ByCycle]]:
    """Metrics of `METRICS` at every observation, before means and roots."""
    d, spread = verified.departure, verified.spread
    known_spread = np.where(np.isnan(spread), 0.0, spread) if size == 1 else spread
    values = {
        "rmse": d**2,
        "spread": spread + verified.error_var * size / (size + 1),  # d² has R once, not (M + 1) / M
        "crps": gaussian_crps(d, np.sqrt(known_spread + verified.error_var)),
        "bias": -d,
        "mae": np.abs(d),
    }
    for metric in METRICS:
        if metric.name in values and size >= metric.least:
            yield metric.name, values[metric.name]


def gaussian_crps(departure: ByCycle, std: ByCycle) -> ByCycle:
    """CRPS of a normal distribution, by the departure of y from its mean.

    Source: Gneiting & Raftery (2007), J. Am. Stat. Assoc. 102, 359, equation 21.
    """
    z = departure / std
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))


def _headline(series: Mapping[str, Series], size: int, sound: bool) -> dict[str, Score]:
    """Values over the cycles that have any; none where the run is not sound."""
    has_values = np.isfinite(next(iter(series.values())))
    means = {
        name: ("cycle", v[has_values] ** 2 if BY_NAME[name].root else v[has_values])
        for name, v in series.items()
    }
    estimates = headline(xr.Dataset(means), size)
    return {n: Score(*plain(e.values)) if sound else Score(None) for n, e in estimates.items()}
