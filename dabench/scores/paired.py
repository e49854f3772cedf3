"""Paired differences of two methods' scores, cycle by cycle, with intervals and p-values."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from dabench.core.errors import UserError
from dabench.scores import intervals, multiple_tests
from dabench.scores.metrics.registry import BY_NAME, METRICS, TESTED
from dabench.scores.observed import has_truth
from dabench.scores.record import GLOBAL, Cell, Key, Scores, Series
from dabench.scores.seeds import truths

COMPARED = tuple(m.name for m in METRICS if m.better in ("less", "neither"))
"""Metrics that methods may be compared by."""

TESTS = (*intervals.TESTS, "bootstrap")
FEWEST = 4  # cycles below which nothing is tested

NULL = {"null": "difference", "null_low": "low", "null_high": "high"}
"""Columns for the difference of two seeds of one method, and where they are computed."""

BySeed = Float[np.ndarray, "seed cell"]
Cycles = Float[np.ndarray, "seed cell cycle"]
Clusters = Float[np.ndarray, "cluster seed"]
"""Weights of the seeds in the mean of each cluster."""


class Question(NamedTuple):
    """The comparison that is made of every pair of methods.

    Arguments:
        test: `ewc`, `geer`, `diebold_mariano` or `bootstrap` for the cycles of one seed; several
            truths are clusters, and Student's t of their differences takes the place of all.
        metrics: Names out of `COMPARED`.
        regions: Names of regions, as in the scores.
        correct: Which p-values decide: `bh`, `sidak` or `none`.
        level: Level of the intervals; 1 - level is the size of the tests.
    """

    test: str = "ewc"
    metrics: Sequence[str] = TESTED
    regions: Sequence[str] = (GLOBAL,)
    correct: str = "bh"
    level: float = 0.95

    def check(self) -> None:
        """UserError where a name is unknown or the level is none."""
        for kind, names, choices in (
            ("test", [self.test], TESTS),
            ("metric", self.metrics, COMPARED),
            ("correction", [self.correct], multiple_tests.CORRECTIONS),
        ):
            if unknown := [name for name in names if name not in choices]:
                raise UserError(f"unknown {kind} {unknown[0]!r}; known: {', '.join(choices)}")
        if not 0.5 <= self.level < 1:
            raise UserError(f"level {self.level:g} is not within 0.5 .. 1")


class Paired(NamedTuple):
    """The comparison of two methods before the number of tests is allowed for.

    Arguments:
        table: A row a variable, level, region and metric.
        series: The differences that were tested, of all seeds one after the other.
    """

    table: pd.DataFrame
    series: Float[np.ndarray, "cell cycle"]


def paired(
    a: Sequence[Scores], b: Sequence[Scores], question: Question, cells: Sequence[Cell] | None
) -> Paired:
    """Compare scores of a and b, one a seed, in the cells that both have; see `compare.compare`."""
    pairs = _pairs(a, b)
    series = [[_series(run, question, cells) for run in pair] for pair in pairs]
    keys = [key for key in series[0][0] if all(key in s for pair in series for s in pair)]
    if cells is not None:
        keys.sort(key=lambda key: cells.index(key.cell))
    table = pd.DataFrame(keys, columns=list(Key._fields))
    if not keys:
        return Paired(table, np.zeros((0, 1)))
    roots = np.array([BY_NAME[key.metric].root for key in keys])
    x, y = (_stack([pair[i] for pair in series], keys) for i in (0, 1))
    if not has_truth(a[0].scenario):
        x, y = _where_observed(x, y)
    clusters = _clusters([one for one, _ in pairs])
    numbers, tested = _differences(x, y, roots, question, clusters)
    null = _null(a, b, keys, roots, question, cells)
    table = pd.concat([table, numbers, null], axis=1)
    shared = len(truths(one for one, _ in pairs))
    return Paired(table.assign(truths=shared, ended=_ended(pairs)), tested)


def _where_observed(x: Cycles, y: Cycles) -> tuple[Cycles, Cycles]:
    """The values of two methods in the cycles that have any observation at all."""
    is_observed = np.isfinite(x).any((0, 1)) & np.isfinite(y).any((0, 1))
    return x[..., is_observed], y[..., is_observed]


def _clusters(runs: Sequence[Scores]) -> Clusters:
    """The truths as clusters, or the seeds where they share one truth."""
    different = truths(runs)
    if len(different) == 1:
        return np.eye(len(runs))
    members = np.array([[run.truth == truth for run in runs] for truth in different], float)
    return members / members.sum(1, keepdims=True)


def _pairs(a: Sequence[Scores], b: Sequence[Scores]) -> list[tuple[Scores, Scores]]:
    """Runs of the same seed; UserError where there are none, or where the problems differ."""
    names = ("scenario", "scenario's digest", "system", "system's digest", "version of metrics")
    for run, other in [(run, b[0]) for run in a] + [(a[0], run) for run in b]:
        for name, x, y in zip(names, run.problem, other.problem, strict=True):
            if x != y:
                raise UserError(
                    f"{run.method} and {other.method} cannot be compared cycle by cycle: "
                    f"{name} {x} and {y} differ"
                )
    others = {run.seed: run for run in b}
    pairs = [(run, others[run.seed]) for run in a if run.seed in others]
    if not pairs:
        seeds = [", ".join(str(run.seed) for run in runs) for runs in (a, b)]
        raise UserError(
            f"{a[0].method} and {b[0].method} cannot be compared cycle by cycle: "
            f"seed {seeds[0]} and {seeds[1]} differ"
        )
    return pairs


def _series(run: Scores, question: Question, cells: Sequence[Cell] | None) -> dict[Key, Series]:
    """Values of the scored cycles of what is asked about."""
    return {
        key: values[run.scored]
        for key, values in run.every_cycle.items()
        if key.metric in question.metrics
        and key.region in question.regions
        and (cells is None or key.cell in cells)
    }


def _stack(seeds: Sequence[Mapping[Key, Series]], keys: Sequence[Key]) -> Cycles:
    """The series of all seeds, for as many cycles as all have."""
    n = min(len(s[keys[0]]) for s in seeds)
    return np.array([[s[key][:n] for key in keys] for s in seeds], float)


def _ended(pairs: Sequence[tuple[Scores, Scores]]) -> str:
    """How runs ended that diverged; one that did is never averaged away."""
    statuses = [[str(run.status) for run in pair if run.status.diverged] for pair in pairs]
    diverged = [pair[0] for pair in statuses if pair]
    if len(pairs) == 1 or not diverged:
        return diverged[0] if diverged else ""
    return f"{len(diverged)} of {len(pairs)} seeds diverged"


def _differences(
    x: Cycles,
    y: Cycles,
    roots: Bool[np.ndarray, "cell"],
    question: Question,
    clusters: Clusters,
) -> tuple[pd.DataFrame, Float[np.ndarray, "cell cycle"]]:
    """A row a cell with the difference of two methods, and the series that were tested.

    Arguments:
        x, y: Values of the two methods.
        roots: Whether the values of a cell are roots, which are averaged as squares.
        clusters: Which seeds are averaged before the test.
    """
    n = min(x.shape[-1], y.shape[-1])
    x, y = (v[..., :n] if n else np.full((*v.shape[:2], 1), np.nan) for v in (x, y))
    x, y = (np.where(roots[:, None], v**2, v) for v in (x, y))

    def values(mean: np.ndarray) -> np.ndarray:
        return np.sqrt(mean, out=mean.copy(), where=np.broadcast_to(roots, mean.shape))

    seeds = len(x)
    a, b = values(x.mean(-1)), values(y.mean(-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = _slopes(a, roots) * x - _slopes(b, roots) * y
        effective = (n / intervals.inflation(linear) ** 2 if n > 3 else np.full(a.shape, n)).sum(0)
        a, b = clusters @ a, clusters @ b
        ratio = a.mean(0) / b.mean(0)
    low, high, p = _test(a - b, linear, lambda i: _resampled(x[0], y[0], i, values), question)
    a, b = a.mean(0), b.mean(0)
    p = np.where(np.isfinite(a - b), p, np.nan)
    numbers = {"a": a, "b": b, "ratio": ratio, "difference": a - b, "low": low, "high": high}
    p_memory = _p_with_memory(a - b, linear)
    numbers |= {"p": p, "seeds": seeds, "cycles": n, "effective": effective, "p_memory": p_memory}
    return pd.DataFrame(numbers), np.concatenate(list(linear), -1)


def _slopes(value: BySeed, roots: Bool[np.ndarray, "cell"]) -> Float[np.ndarray, "seed cell 1"]:
    """d value / d mean: the delta method for roots."""
    return np.where(roots, 0.5 / value, 1.0)[..., None]


def _test(
    differences: Float[np.ndarray, "cluster cell"],
    linear: Cycles,
    resampled: Callable,
    question: Question,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low, high and p of the differences of one seed's cycles, or of several clusters.

    Arguments:
        differences: Differences of every cluster.
        linear: Series with these differences as means, up to rounding.
        resampled: Makes the differences of the one seed (replicate, cell) with its cycles redrawn.
    """
    if len(differences) > 1:
        estimate = intervals.naive(differences.T)
    elif linear.shape[-1] < FEWEST:
        unknown = np.full(differences.shape[1], np.nan)
        return unknown, unknown, unknown
    elif question.test == "bootstrap":
        return intervals.stationary_bootstrap(resampled, linear, question.level)
    else:
        estimate = intervals.TESTS[question.test](linear[0])._replace(mean=differences[0])
    return *estimate.interval(question.level), estimate.p_value()


def _p_with_memory(
    difference: Float[np.ndarray, "cell"], linear: Cycles
) -> Float[np.ndarray, "cell"]:
    """p of the cycles of one seed where they may remember for long; NaN for several seeds."""
    if len(linear) > 1 or linear.shape[-1] < FEWEST:
        return np.full(difference.shape, np.nan)
    estimate = intervals.long_memory(linear[0])._replace(mean=difference)
    return np.where(np.isfinite(difference), estimate.p_value(), np.nan)


def _resampled(
    x: Float[np.ndarray, "cell cycle"],
    y: Float[np.ndarray, "cell cycle"],
    index: np.ndarray,
    values: Callable,
) -> Float[np.ndarray, "replicate cell"]:
    """Differences of means over cycles that were drawn anew."""
    return np.stack([values(x[:, i].mean(-1)) - values(y[:, i].mean(-1)) for i in index])


def _null(
    a: Sequence[Scores],
    b: Sequence[Scores],
    keys: Sequence[Key],
    roots: Bool[np.ndarray, "cell"],
    question: Question,
    cells: Sequence[Cell] | None,
) -> pd.DataFrame:
    """The difference of two seeds of a, or of b: what a difference of nothing looks like."""
    runs = a if len(a) > 1 else b
    series = [_series(run, question, cells) for run in runs[:2]]
    if len(series) < 2 or any(key not in s for key in keys for s in series):
        return pd.DataFrame(np.nan, range(len(keys)), list(NULL))
    one, two = (_stack([s], keys) for s in series)
    table, _ = _differences(one, two, roots, question, np.eye(1))
    return pd.DataFrame({null: table[name] for null, name in NULL.items()})
