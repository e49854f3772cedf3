"""Whether one method is better than another: paired differences of their scores, with doubt.

Runs of the same problem and seed share truth, observations and initial ensemble, so scores are
compared cycle by cycle. The series of differences has memory; see `intervals` for the tests.
One seed of few cycles does not tell how long it remembers: there a verdict needs a difference that
would be significant with a memory of ten cycles, and what is not is insufficient data.
Several truths are clusters: each gives one difference, the mean over the seeds that share it,
independent of the others, and what is tested is the mean of these (Ibragimov & Mueller, 2010,
J. Bus. Econ. Stat. 28, 453). Where all seeds share one truth, each of them is a cluster, and what
is said is about the weather of this truth alone.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from dabench.core.errors import Caution, UserError
from dabench.scores import multiple_tests
from dabench.scores.files import current_scores
from dabench.scores.headlines import REFERENCE, headlines
from dabench.scores.identity import ProblemIdentity
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.paired import Paired, Question, paired
from dabench.scores.record import Cell, Scores

ENOUGH = 15.0  # effective number of independent cycles from which one seed tells its own memory
CLUSTERS = 3  # minimum number of clusters for a verdict where there are several
INSUFFICIENT = "insufficient data"

Run = str | Path | Scores
Methods = Mapping[str, list[Scores]]
"""The runs of each method, one a seed."""


def compare(
    a: Run | Sequence[Run],
    b: Run | Sequence[Run],
    *,
    cells: Sequence[Cell] | None = None,
    **question: Any,
) -> pd.DataFrame:
    """Compare method a with method b, cycle by cycle after the spin-up.

    Arguments:
        a, b: Folders of runs or their scores, one a seed; of one problem, with a seed in common
            (UserError otherwise).
        cells: Variables and levels; default all.
        question: Arguments of `Question`.
    Returns:
        A row a variable, level, region and metric: a and b (roots last, means over seeds), ratio
        a / b, difference a - b with its interval (low, high), p and p allowing for all rows
        (p_bh, p_sidak), p_memory if cycles remember for long; null, null_low, null_high: the
        difference of two seeds of one method; numbers of seeds, of their truths, cycles and
        effectively independent cycles; verdict: better, worse, same, larger, smaller, insufficient
        data, or how runs ended.
    """
    checked = _checked(question)
    return _judged([paired(_seeds(a), _seeds(b), checked, cells)], checked)


def _checked(question: Mapping[str, Any]) -> Question:
    checked = Question(**question)
    checked.check()
    return checked


def _seeds(runs: Run | Sequence[Run]) -> list[Scores]:
    return [_read(run) for run in ([runs] if isinstance(runs, Run) else runs)]


def _read(run: Run) -> Scores:
    return run if isinstance(run, Scores) else current_scores(run)


def _judged(parts: Sequence[Paired], question: Question) -> pd.DataFrame:
    """The tables in one, with p-values that allow for all of its rows, and verdicts."""
    table = pd.concat([part.table for part in parts], ignore_index=True)
    if table.empty:
        return table
    table.loc[table["ended"] != "", ["difference", "low", "high", "p"]] = np.nan
    drifts = ~(table["effective"] >= 1)  # no memory is long enough for a series that has no end
    table.loc[(table["ended"] != "") | drifts, "p_memory"] = np.nan
    p = table["p"].to_numpy(float)
    tests = multiple_tests.independent_tests(_tested(parts))
    corrections = {
        "bh": multiple_tests.benjamini_hochberg,
        "sidak": lambda p: multiple_tests.sidak(p, tests),
        "none": lambda p: p,
    }
    table["p_bh"], table["p_sidak"] = corrections["bh"](p), corrections["sidak"](p)
    correct, is_short = corrections[question.correct], _is_short(table)
    with_memory = correct(np.where(is_short, table["p_memory"], p))
    decisive = np.where(is_short, with_memory, correct(p))
    rows = table.assign(decisive=decisive, is_short=is_short).to_dict("records")
    verdicts = [_verdict(row, 1 - question.level) for row in rows]
    return table.drop(columns="ended").assign(verdict=verdicts)


def _is_short(table: pd.DataFrame) -> np.ndarray:
    """Where one seed has too few independent cycles to tell how long they remember."""
    return ((table["seeds"] == 1) & ~(table["effective"] >= ENOUGH)).to_numpy()


def _tested(parts: Sequence[Paired]) -> Float[np.ndarray, "test cycle"]:
    """The series of differences that were tested, for as many cycles as all have."""
    p = [part.table["p"].where(part.table["ended"] == "") for part in parts if len(part.table)]
    series = [part.series for part in parts if len(part.table)]
    live = [s[np.isfinite(q)] for s, q in zip(series, p, strict=True) if np.isfinite(q).any()]
    n = min((s.shape[-1] for s in live), default=1)
    return np.concatenate([np.zeros((0, n)), *(s[:, :n] for s in live)])


def _verdict(row: Mapping[str, Any], size: float) -> str:
    if row["ended"]:
        return row["ended"]
    clusters = row["seeds"] if row["truths"] == 1 else row["truths"]
    enough = clusters == 1 or clusters >= CLUSTERS
    if not np.isfinite([row["difference"], row["decisive"]]).all() or not enough:
        return INSUFFICIENT
    if row["decisive"] >= size:
        return INSUFFICIENT if row["is_short"] else "same"
    larger = row["difference"] > 0
    if BY_NAME[row["metric"]].better == "neither":
        return "larger" if larger else "smaller"
    return "worse" if larger else "better"


def compare_all(
    runs: Iterable[Run],
    *,
    reference: str = REFERENCE,
    all_cells: bool = False,
    **question: Any,
) -> pd.DataFrame:
    """Every method against a reference, for each problem that has it; truths are clusters.

    Arguments:
        reference: The method b of every comparison.
        all_cells: Every variable and level, not the headline variables alone.
        question: Arguments of `Question`; p-values allow for all rows of a problem.
    Returns:
        The table of `compare`, with columns scenario, system and method before its own.
    """
    checked, problems = _checked(question), dict(by_problem(runs))
    tables = []
    for problem, methods in problems.items():
        if parts := _parts(problem, methods, reference, checked, all_cells):
            table = _judged(parts, checked)
            table.insert(0, "scenario", problem.scenario)
            table.insert(1, "system", problem.system)
            tables.append(table)
    if not tables:
        names = sorted({method for methods in problems.values() for method in methods})
        raise UserError(
            f"nothing to compare: runs of {reference!r} and of another method on one scenario and "
            f"seed are needed, found {', '.join(names) or 'none'}"
        )
    table = pd.concat(tables, ignore_index=True)
    if table.empty:
        raise _nothing_of(checked, problems.values())
    return table


def compare_pairs(runs: Iterable[Run], **question: Any) -> pd.DataFrame:
    """Every method against every other one in all cells; truths are clusters.

    Arguments:
        runs: Runs or their scores, of one problem or of several.
        question: Arguments of `Question`; p-values allow for all rows.
    Returns:
        The table of `compare`, with columns method (a) and against (b) before its own; empty where
        no two methods share a seed.
    """
    checked, parts = _checked(question), []
    for _, methods in by_problem(runs):
        for one, other in combinations(sorted(methods), 2):
            a, b = methods[one], methods[other]
            if {run.seed for run in a} & {run.seed for run in b}:
                parts.append(paired(a, b, checked, None))
                parts[-1].table.insert(0, "method", one)
                parts[-1].table.insert(1, "against", other)
    return _judged(parts, checked) if parts else pd.DataFrame()


def _parts(
    problem: ProblemIdentity, methods: Methods, reference: str, question: Question, all_cells: bool
) -> list[Paired]:
    """Comparisons of the methods of one problem with the reference; none without it."""
    parts: list[Paired] = []
    if reference not in methods:
        return parts
    against = methods[reference]
    cells = None if all_cells else headlines(against[0].variables)
    for method in sorted(set(methods) - {reference}):
        if not {run.seed for run in methods[method]} & {run.seed for run in against}:
            text = f"{problem.scenario}: {method} and {reference} have no seed in common"
            warnings.warn(text, Caution, stacklevel=3)
            continue
        parts.append(paired(methods[method], against, question, cells))
        parts[-1].table.insert(0, "method", method)
    return parts


def _nothing_of(question: Question, problems: Iterable[Methods]) -> UserError:
    """Nothing was scored in these regions by these metrics."""
    first = [runs[0] for methods in problems for runs in methods.values()]
    keys = [key for run in first for key in run.every_cycle]
    metrics, regions = (", ".join(sorted(names)) for names in (
        {key.metric for key in keys}, {key.region for key in keys}
    ))  # fmt: skip
    return UserError(
        f"nothing to compare: no scores of {', '.join(question.metrics)} in "
        f"{', '.join(question.regions)}; there are {metrics} in {regions}"
    )


def by_problem(runs: Iterable[Run]) -> Iterator[tuple[ProblemIdentity, dict[str, list[Scores]]]]:
    """Runs by problem and by method, a run a seed.

    Methods tried with other settings get names of their own, `letkf` and `letkf-1a2b3c`, after the
    digest of the settings.
    """
    groups: dict[ProblemIdentity, dict[str, dict[int, Scores]]] = {}
    first: dict[tuple, str] = {}
    for run in map(_read, runs):
        name, settings = run.method, run.settings_digest
        if first.setdefault((run.problem, name), settings) != settings:
            name = f"{name}-{settings[:6]}"
        groups.setdefault(run.problem, {}).setdefault(name, {})[run.seed] = run
    for problem, methods in groups.items():
        yield problem, {m: [by[seed] for seed in sorted(by)] for m, by in methods.items()}
