"""Whether one method is better than another: paired differences of their scores, with doubt.

Runs of the same problem and seed share truth, observations and initial ensemble, so scores are
compared cycle by cycle. The series of differences has memory; see `interval` for the tests. Several
seeds are clusters: each gives one difference, independent of the others, and what is tested is the
mean of these (Ibragimov & Mueller, 2010, J. Bus. Econ. Stat. 28, 453).
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dabench.core.errors import Caution, UserError
from dabench.scores import multiple_tests
from dabench.scores.headlines import REFERENCE, Cell, headlines, in_order
from dabench.scores.identity import problem, settings_digest
from dabench.scores.paired import METRICS, SIGNS, Paired, Question, Scores, paired
from dabench.scores.score import current_scores

__all__ = ["METRICS", "compare", "compare_all"]

ENOUGH = 15.0
"""So many independent cycles must there be in effect before significance is spoken of .."""
SEEDS = 3
""".. and so many seeds, where there are several."""

Run = str | Path | Scores


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
        question: Of `Question`.
    Returns:
        A row a variable, level, region and metric: a and b (roots last, means over seeds), ratio
        a / b, difference a - b with its interval (low, high), p and p allowing for all rows
        (p_bh, p_sidak); null, null_low, null_high: the difference of two seeds of one method;
        numbers of seeds, cycles and effectively independent cycles; verdict: better, worse, same,
        larger, smaller, insufficient data, or how runs ended.
    """
    asked = Question(**question)
    asked.check()
    return _judged([paired(_seeds(a), _seeds(b), asked, cells)], asked)


def _seeds(runs: Run | Sequence[Run]) -> list[Scores]:
    one = isinstance(runs, str | Path | Mapping)
    return [_read(run) for run in ([runs] if one else runs)]  # type: ignore[list-item]


def _read(run: Run) -> Scores:
    return run if isinstance(run, Mapping) else current_scores(run)


def _judged(parts: Sequence[Paired], asked: Question) -> pd.DataFrame:
    """The tables in one, with p-values that allow for all of its rows, and verdicts."""
    table = pd.concat([part.table for part in parts], ignore_index=True)
    if table.empty:
        return table
    table.loc[table["ended"] != "", ["difference", "low", "high", "p"]] = np.nan
    p = table["p"].to_numpy(float)
    tests = multiple_tests.independent_tests(_tested(parts))
    table["p_bh"], table["p_sidak"] = (
        multiple_tests.benjamini_hochberg(p),
        multiple_tests.sidak(p, tests),
    )
    decisive = "p" if asked.correct == "none" else f"p_{asked.correct}"
    rows = table.assign(decisive=table[decisive]).to_dict("records")
    verdicts = [_verdict(row, 1 - asked.level) for row in rows]
    return table.drop(columns="ended").assign(verdict=verdicts)


def _tested(parts: Sequence[Paired]) -> np.ndarray:
    """The series of differences (test, cycle) that were tested, as many cycles as all have."""
    p = [part.table["p"].where(part.table["ended"] == "") for part in parts if len(part.table)]
    series = [part.series for part in parts if len(part.table)]
    live = [s[np.isfinite(q)] for s, q in zip(series, p, strict=True) if np.isfinite(q).any()]
    n = min((s.shape[-1] for s in live), default=1)
    return np.concatenate([np.zeros((0, n)), *(s[:, :n] for s in live)])


def _verdict(row: Mapping[str, Any], size: float) -> str:
    if row["ended"]:
        return row["ended"]
    enough = row["seeds"] >= SEEDS or (row["seeds"] == 1 and row["effective"] >= ENOUGH)
    if not np.isfinite([row["difference"], row["p"]]).all() or not enough:
        return "insufficient data"
    if row["decisive"] >= size:
        return "same"
    sign = SIGNS[row["metric"]]
    if sign == 0:
        return "larger" if row["difference"] > 0 else "smaller"
    return "worse" if sign * row["difference"] > 0 else "better"


def compare_all(
    runs: Iterable[Run],
    *,
    reference: str = REFERENCE,
    all_cells: bool = False,
    **question: Any,
) -> pd.DataFrame:
    """Every method against a reference, for each problem that has it; seeds are clusters.

    Arguments:
        reference: The method b of every comparison.
        all_cells: Every variable and level, not the headline variables alone.
        question: Of `Question`; p-values allow for all rows of a problem.
    Returns:
        What `compare` does, with columns scenario, system and method before it.
    """
    asked = Question(**question)
    asked.check()
    tables, groups = [], list(by_problem(runs))
    for key, methods in groups:
        if reference not in methods:
            continue
        against = methods[reference]
        cells = None if all_cells else headlines(against[0]["variables"])
        parts = []
        for method in in_order(set(methods) - {reference}):
            if not {s["seed"] for s in methods[method]} & {s["seed"] for s in against}:
                text = f"{key[0]}: {method} and {reference} have no seed in common"
                warnings.warn(text, Caution, stacklevel=2)
                continue
            part = paired(methods[method], against, asked, cells)
            part.table.insert(0, "method", method)
            parts.append(part)
        if parts:
            table = _judged(parts, asked)
            tables.append(_named(table, {"scenario": key[0], "system": key[2]}))
    if not tables:
        found = sorted({m for _, methods in groups for m in methods})
        raise UserError(
            f"nothing to compare: runs of {reference!r} and of another method on one scenario and "
            f"seed are needed, found {', '.join(found) or 'none'}"
        )
    found = pd.concat(tables, ignore_index=True)
    if found.empty:
        raise _nothing_of(asked, groups)
    return found


def _nothing_of(asked: Question, groups: Sequence[tuple[tuple, dict]]) -> UserError:
    """Nothing was scored in these regions by these metrics."""
    rows = [r for _, methods in groups for runs in methods.values() for r in runs[0]["series"]]
    known = (", ".join(sorted({str(r[k]) for r in rows})) for k in ("metric", "region"))
    return UserError(
        f"nothing to compare: no scores of {', '.join(asked.metrics)} in "
        f"{', '.join(asked.regions)}; there are {next(known)} in {next(known)}"
    )


def _named(table: pd.DataFrame, given: Mapping[str, str]) -> pd.DataFrame:
    for i, (column, value) in enumerate(given.items()):
        table.insert(i, column, value)
    return table


def by_problem(runs: Iterable[Run]) -> Iterator[tuple[tuple, dict[str, list[Scores]]]]:
    """Runs by problem and by method, a run a seed; methods tried with other settings get names
    of their own, `letkf` and `letkf-1a2b3c`, after the digest of the settings."""
    groups: dict[tuple, dict[str, dict[int, Scores]]] = {}
    plain: dict[tuple, str] = {}
    for scores in map(_read, runs):
        name, settings = str(scores["method"]), settings_digest(scores)
        if plain.setdefault((problem(scores), name), settings) != settings:
            name = f"{name}-{settings[:6]}"
        groups.setdefault(problem(scores), {}).setdefault(name, {})[scores["seed"]] = scores
    for key, methods in groups.items():
        yield key, {m: [by[seed] for seed in sorted(by)] for m, by in methods.items()}
