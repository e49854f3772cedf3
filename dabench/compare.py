"""Whether one method is better than another: paired differences of their scores, with doubt.

Runs of the same problem and seed share truth, observations and initial ensemble, so scores are
compared cycle by cycle. The series of differences has memory; see `interval` for the tests.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dabench import interval
from dabench.errors import UserError
from dabench.headlines import REFERENCE, Cell, headlines, in_order
from dabench.results import problem
from dabench.score import ROOTS, current_scores

METRICS = ("rmse", "crps")
SIGNS = {"rmse": 1, "crps": 1, "crps_plain": 1, "mae": 1, "acc": -1, "spread": 0}
"""Whether less is better (1), more is (-1), or neither."""

TESTS = (*interval.TESTS, "bootstrap")

ENOUGH = 15.0
"""So many independent cycles must there be in effect before significance is spoken of."""

Scores = Mapping[str, Any]


def compare(
    a: str | Path | Scores,
    b: str | Path | Scores,
    *,
    test: str = "ewc",
    metrics: Sequence[str] = METRICS,
    regions: Sequence[str] = ("global",),
    cells: Sequence[Cell] | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare run a with run b, cycle by cycle after the spin-up.

    Arguments:
        a, b: Folders of runs, or their scores; of one problem and seed (UserError otherwise).
        test: `ewc`, `geer`, `diebold_mariano` or `bootstrap`.
        metrics: Names out of `SIGNS`.
        cells: Variables and levels; default all.
        level: Of the interval.
    Returns:
        A row a variable, level, region and metric: a and b (roots last), ratio a / b, difference
        a - b with its interval (low, high) and p-value, number of cycles, effective number of
        independent ones, and verdict: better, worse, same, larger, smaller, insufficient data, or
        how a run ended.
    """
    if test not in TESTS:
        raise UserError(f"unknown test {test!r}; known: {', '.join(TESTS)}")
    if unknown := set(metrics) - set(SIGNS):
        raise UserError(f"unknown metric {sorted(unknown)[0]!r}; known: {', '.join(SIGNS)}")
    one, two = _read(a), _read(b)
    _check_paired(one, two)
    series = [_series(scores, metrics, regions, cells) for scores in (one, two)]
    keys = [key for key in series[0] if key in series[1]]
    if cells is not None:
        keys.sort(key=lambda key: cells.index(key[:2]))
    columns = ("variable", "level", "region", "metric")
    table = pd.DataFrame(keys, columns=list(columns))
    if not keys:
        return table
    x, y = (np.array([s[key] for key in keys]) for s in series)
    roots = np.array([key[3] in ROOTS for key in keys])
    numbers = _differences(x, y, roots, test, level)
    ended = [s["status"] for s in (one, two) if s["status"].startswith("diverged")]
    verdicts = [
        ended[0] if ended else _verdict(SIGNS[key[3]], row)
        for key, row in zip(keys, numbers.itertuples(), strict=True)
    ]
    return pd.concat([table, numbers], axis=1).assign(verdict=verdicts)


def _read(run: str | Path | Scores) -> Scores:
    return run if isinstance(run, Mapping) else current_scores(run)


def _check_paired(a: Scores, b: Scores) -> None:
    names = ("scenario", "scenario's digest", "system", "system's digest", "version of metrics")
    pairs = zip((*names, "seed"), (*problem(a), a["seed"]), (*problem(b), b["seed"]), strict=True)
    for name, x, y in pairs:
        if x != y:
            raise UserError(
                f"{a['method']} and {b['method']} cannot be compared cycle by cycle: "
                f"{name} {x} and {y} differ"
            )


def _series(
    scores: Scores, metrics: Sequence[str], regions: Sequence[str], cells: Sequence[Cell] | None
) -> dict[tuple, list[float]]:
    """Values of the scored cycles by (variable, level, region, metric); none of a failed run."""
    wanted = slice(scores["spinup"] + 1, scores["completed"] + 1)
    return {
        (row["variable"], row["level"], row["region"], row["metric"]): row["values"][wanted]
        for row in scores["series"]
        if row["metric"] in metrics
        and row["region"] in regions
        and (cells is None or (row["variable"], row["level"]) in cells)
    }


def _differences(
    x: np.ndarray, y: np.ndarray, roots: np.ndarray, test: str, level: float
) -> pd.DataFrame:
    """x, y (cell, cycle); where `roots`, values are roots that are averaged as squares."""
    n = min(x.shape[1], y.shape[1])
    x, y = x[:, :n].astype(float), y[:, :n].astype(float)
    x, y = (np.where(roots[:, None], v**2, v) for v in (x, y))

    def values(mean: np.ndarray) -> np.ndarray:
        return np.where(roots, np.sqrt(mean), mean)

    a, b = values(x.mean(1)), values(y.mean(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = _slopes(a, roots) * x - _slopes(b, roots) * y
        effective = n / interval.inflation(linear) ** 2 if n > 3 else np.full(len(x), float(n))
        ratio = a / b
    if test == "bootstrap":
        low, high, p = interval.stationary_bootstrap(_resampled(x, y, values), linear, level)
    else:
        estimate = interval.TESTS[test](linear)._replace(mean=a - b)
        (low, high), p = estimate.interval(level), estimate.p_value()
    p = np.where(np.isfinite(a - b), p, np.nan)
    numbers = {"a": a, "b": b, "ratio": ratio, "difference": a - b, "low": low, "high": high}
    return pd.DataFrame(numbers | {"p": p, "cycles": n, "effective": effective})


def _slopes(value: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """d value / d mean (cell, 1): the delta method for roots."""
    return np.where(roots, 0.5 / value, 1.0)[:, None]


def _resampled(
    x: np.ndarray, y: np.ndarray, values: Callable[[np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    return lambda index: np.stack(
        [values(x[:, i].mean(1)) - values(y[:, i].mean(1)) for i in index]
    )


def _verdict(sign: int, row: Any) -> str:
    if not np.isfinite([row.difference, row.p]).all() or row.effective < ENOUGH:
        return "insufficient data"
    if row.p >= 0.05:
        return "same"
    if sign == 0:
        return "larger" if row.difference > 0 else "smaller"
    return "worse" if sign * row.difference > 0 else "better"


def compare_all(
    runs: Iterable[str | Path | Scores],
    *,
    reference: str = REFERENCE,
    test: str = "ewc",
    metrics: Sequence[str] = METRICS,
    all_cells: bool = False,
) -> pd.DataFrame:
    """Every method against a reference, for each problem and seed that has it.

    Arguments:
        reference: The method b of every comparison.
        all_cells: Every variable and level, not the headline variables alone.
    Returns:
        What `compare` does, with columns scenario, system, seed and method before it.
    """
    groups: dict[tuple, dict[str, Scores]] = {}
    for scores in map(_read, runs):
        groups.setdefault((*problem(scores), scores["seed"]), {})[scores["method"]] = scores
    tables = []
    for key, methods in groups.items():
        if reference not in methods:
            continue
        against = methods[reference]
        cells = None if all_cells else headlines(against["variables"])
        for method in in_order(set(methods) - {reference}):
            table = compare(methods[method], against, test=test, metrics=metrics, cells=cells)
            given = {"scenario": key[0], "system": key[2], "seed": key[5], "method": method}
            tables.append(pd.DataFrame(given, index=table.index).join(table))
    if not tables:
        found = sorted({m for methods in groups.values() for m in methods})
        raise UserError(
            f"nothing to compare: runs of {reference!r} and of another method on one scenario and "
            f"seed are needed, found {', '.join(found) or 'none'}"
        )
    return pd.concat(tables, ignore_index=True)
