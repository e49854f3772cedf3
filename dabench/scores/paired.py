"""Paired differences of two methods' scores, cycle by cycle, with intervals and p-values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dabench.core.errors import UserError
from dabench.scores import intervals, multiple_tests
from dabench.scores.headlines import Cell
from dabench.scores.identity import problem
from dabench.scores.score import ROOTS

METRICS = ("rmse", "crps")
SIGNS = {"rmse": 1, "crps": 1, "crps_plain": 1, "mae": 1, "spread": 0}
"""Whether less is better (1), or neither less nor more."""

TESTS = (*intervals.TESTS, "bootstrap")
FEWEST = 4
"""Cycles below which nothing is tested."""

Scores = Mapping[str, Any]


class Question(NamedTuple):
    """What is asked of every pair of methods.

    Arguments:
        test: `ewc`, `geer`, `diebold_mariano` or `bootstrap` for the cycles of one seed; several
            seeds are clusters, and Student's t of their differences takes the place of all.
        metrics: Names out of `SIGNS`.
        regions: As in the scores.
        correct: Which p-values decide: `bh`, `sidak` or `none`.
        level: Of the intervals; 1 - level is the size of the tests.
    """

    test: str = "ewc"
    metrics: Sequence[str] = METRICS
    regions: Sequence[str] = ("global",)
    correct: str = "bh"
    level: float = 0.95

    def check(self) -> None:
        """UserError where something is not known."""
        for kind, given, known in (
            ("test", [self.test], TESTS),
            ("metric", self.metrics, tuple(SIGNS)),
            ("correction", [self.correct], multiple_tests.CORRECTIONS),
        ):
            if unknown := [g for g in given if g not in known]:
                raise UserError(f"unknown {kind} {unknown[0]!r}; known: {', '.join(known)}")
        if not 0.5 <= self.level < 1:
            raise UserError(f"level {self.level:g} is not within 0.5 .. 1")


class Paired(NamedTuple):
    """What is known of two methods before the number of tests is: a table, and its differences."""

    table: pd.DataFrame
    series: np.ndarray


def paired(
    a: Sequence[Scores], b: Sequence[Scores], asked: Question, cells: Sequence[Cell] | None
) -> Paired:
    """Scores of a and b, one a seed, over the cells that both have; see `compare.compare`."""
    pairs = _pairs(a, b)
    found = [[_series(scores, asked, cells) for scores in pair] for pair in pairs]
    keys = [key for key in found[0][0] if all(key in s for pair in found for s in pair)]
    if cells is not None:
        keys.sort(key=lambda key: cells.index(key[:2]))
    table = pd.DataFrame(keys, columns=["variable", "level", "region", "metric"])
    if not keys:
        return Paired(table, np.zeros((0, 1)))
    roots = np.array([key[3] in ROOTS for key in keys])
    x, y = (_stack([pair[i] for pair in found], keys) for i in (0, 1))
    numbers, series = _differences(x, y, roots, asked)
    table = pd.concat([table, numbers, _null(a, b, keys, roots, asked, cells)], axis=1)
    return Paired(table.assign(ended=_ended(pairs)), series)


def _pairs(a: Sequence[Scores], b: Sequence[Scores]) -> list[tuple[Scores, Scores]]:
    """Runs of the same seed; UserError where there are none, or where the problems differ."""
    names = ("scenario", "scenario's digest", "system", "system's digest", "version of metrics")
    for run, other in [(run, b[0]) for run in a] + [(a[0], run) for run in b]:
        for name, x, y in zip(names, problem(run), problem(other), strict=True):
            if x != y:
                raise UserError(
                    f"{run['method']} and {other['method']} cannot be compared cycle by cycle: "
                    f"{name} {x} and {y} differ"
                )
    others = {scores["seed"]: scores for scores in b}
    pairs = [(scores, others[scores["seed"]]) for scores in a if scores["seed"] in others]
    if not pairs:
        seeds = [", ".join(str(scores["seed"]) for scores in runs) for runs in (a, b)]
        raise UserError(
            f"{a[0]['method']} and {b[0]['method']} cannot be compared cycle by cycle: "
            f"seed {seeds[0]} and {seeds[1]} differ"
        )
    return pairs


def _series(
    scores: Scores, asked: Question, cells: Sequence[Cell] | None
) -> dict[tuple, list[float]]:
    """Values of the scored cycles by (variable, level, region, metric); none of a failed run."""
    wanted = slice(scores["spinup"] + 1, scores["completed"] + 1)
    return {
        (row["variable"], row["level"], row["region"], row["metric"]): row["values"][wanted]
        for row in scores["series"]
        if row["metric"] in asked.metrics
        and row["region"] in asked.regions
        and (cells is None or (row["variable"], row["level"]) in cells)
    }


def _stack(seeds: Sequence[Mapping[tuple, list]], keys: Sequence[tuple]) -> np.ndarray:
    """(seed, cell, cycle), as many cycles as all have."""
    n = min(len(s[keys[0]]) for s in seeds)
    return np.array([[s[key][:n] for key in keys] for s in seeds], float)


def _ended(pairs: Sequence[tuple[Scores, Scores]]) -> str:
    """How runs ended that diverged; one that did is never averaged away."""
    bad = [[s["status"] for s in pair if s["status"].startswith("diverged")] for pair in pairs]
    diverged = [statuses[0] for statuses in bad if statuses]
    if len(pairs) == 1 or not diverged:
        return diverged[0] if diverged else ""
    return f"{len(diverged)} of {len(pairs)} seeds diverged"


def _differences(
    x: np.ndarray, y: np.ndarray, roots: np.ndarray, asked: Question
) -> tuple[pd.DataFrame, np.ndarray]:
    """x, y (seed, cell, cycle); where `roots`, values are roots that are averaged as squares."""
    n = min(x.shape[-1], y.shape[-1])
    x, y = (v[..., :n] if n else np.full((*v.shape[:2], 1), np.nan) for v in (x, y))
    x, y = (np.where(roots[:, None], v**2, v) for v in (x, y))

    def values(mean: np.ndarray) -> np.ndarray:
        return np.sqrt(mean, out=mean.copy(), where=np.broadcast_to(roots, mean.shape))

    a, b = values(x.mean(-1)), values(y.mean(-1))  # (seed, cell)
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = _slopes(a, roots) * x - _slopes(b, roots) * y
        effective = (n / intervals.inflation(linear) ** 2 if n > 3 else np.full(a.shape, n)).sum(0)
        ratio = a.mean(0) / b.mean(0)
    low, high, p = _test(a - b, linear, lambda i: _mean_difference(x[0], y[0], i, values), asked)
    a, b, seeds = a.mean(0), b.mean(0), len(a)
    p = np.where(np.isfinite(a - b), p, np.nan)
    numbers = {"a": a, "b": b, "ratio": ratio, "difference": a - b, "low": low, "high": high}
    numbers |= {"p": p, "seeds": seeds, "cycles": n, "effective": effective}
    return pd.DataFrame(numbers), np.concatenate(list(linear), -1)


def _slopes(value: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """d value / d mean (seed, cell, 1): the delta method for roots."""
    return np.where(roots, 0.5 / value, 1.0)[..., None]


def _test(
    differences: np.ndarray, linear: np.ndarray, resampled: Callable, asked: Question
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """low, high, p of differences (seed, cell); of one seed's cycles, or of several seeds.

    Arguments:
        linear: (seed, cell, cycle), with these means up to rounding.
        resampled: Differences of the one seed (replicate, cell) with its cycles chosen anew.
    """
    if len(differences) > 1:
        estimate = intervals.naive(differences.T)
    elif linear.shape[-1] < FEWEST:
        unknown = np.full(differences.shape[1], np.nan)
        return unknown, unknown, unknown
    elif asked.test == "bootstrap":
        return intervals.stationary_bootstrap(resampled, linear, asked.level)
    else:
        estimate = intervals.TESTS[asked.test](linear[0])._replace(mean=differences[0])
    return *estimate.interval(asked.level), estimate.p_value()


def _mean_difference(
    x: np.ndarray, y: np.ndarray, index: np.ndarray, values: Callable
) -> np.ndarray:
    """Of cycles chosen anew, (replicate, cell)."""
    return np.stack([values(x[:, i].mean(-1)) - values(y[:, i].mean(-1)) for i in index])


def _null(
    a: Sequence[Scores],
    b: Sequence[Scores],
    keys: Sequence[tuple],
    roots: np.ndarray,
    asked: Question,
    cells: Sequence[Cell] | None,
) -> pd.DataFrame:
    """The difference of two seeds of a, or of b: what a difference of nothing looks like."""
    known = next((runs for runs in (a, b) if len(runs) > 1), None)
    found = [_series(scores, asked, cells) for scores in known[:2]] if known else []
    if len(found) < 2 or any(key not in s for key in keys for s in found):
        return pd.DataFrame(np.nan, range(len(keys)), ["null", "null_low", "null_high"])
    one, two = (_stack([s], keys) for s in found)
    table, _ = _differences(one, two, roots, asked)
    names = zip(("null", "null_low", "null_high"), ("difference", "low", "high"), strict=True)
    return pd.DataFrame({null: table[name] for null, name in names})
