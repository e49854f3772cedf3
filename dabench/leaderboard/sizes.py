"""Skill against the number of members, and at equal cost."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dabench.leaderboard.board import Board
from dabench.leaderboard.cost_and_skill import geometric_mean
from dabench.leaderboard.format import duration, number
from dabench.leaderboard.labels import parsed
from dabench.leaderboard.methods import in_order
from dabench.leaderboard.row import Row, Value
from dabench.scores.headlines import REFERENCE
from dabench.scores.record import Cell, Scores
from dabench.scores.seeds import in_common, over_seeds

ANCHOR = "fa_apf"
"""The method whose cost and members others are compared at."""
LEAST, MOST = 1 / 3, 1.1
"""Shares of the anchor's cost between which costs are called equal."""
SHORTEST = 0.1
"""Seconds of a cycle above which times are compared."""

Curve = list[tuple[int, float]]
"""Numbers of members, rising, and the skill with each."""


def mean_ratio(
    runs: Sequence[Scores], reference: Sequence[Scores], cells: Sequence[Cell], metric: str
) -> float | None:
    """Geometric mean over fields of a score divided by the reference's.

    Scores are medians over the seeds in common. None where a field has none, or a half of the seeds
    diverged.
    """
    ours, theirs = in_common(runs, reference)
    if not theirs:
        return None
    pairs = [(_median(ours, cell, metric), _median(theirs, cell, metric)) for cell in cells]
    return geometric_mean([a / b if a and b else None for a, b in pairs])


def _median(runs: Sequence[Scores], cell: Cell, metric: str) -> float | None:
    return over_seeds(run.value(cell, metric) for run in runs).median


def curves(runs: Sequence[Scores], cells: Sequence[Cell], metric: str) -> dict[str, Curve]:
    """Skill against members of the methods that were run with several sizes, over the scores of the
    free ensemble's own row; nothing where there is no free ensemble.

    Arguments:
        runs: Runs of one problem.
        cells: Fields to average over.
    """
    reference = [run for run in runs if run.method == REFERENCE]
    sizes = _by_size(runs)
    if not reference:
        return {}
    return {
        method: [
            (members, ratio)
            for members, of_size in sorted(sizes[method].items())
            if (ratio := mean_ratio(of_size, reference, cells, metric)) is not None
        ]
        for method in in_order(method for method in sizes if len(sizes[method]) > 1)
    }


def _by_size(runs: Sequence[Scores]) -> dict[str, dict[int, list[Scores]]]:
    """Runs of filters by the method's own label and by members."""
    sizes: dict[str, dict[int, list[Scores]]] = {}
    for run in runs:
        label = parsed(run.method)
        if not label.lag:
            sizes.setdefault(label.own, {}).setdefault(run.members, []).append(run)
    return sizes


class Comparison(NamedTuple):
    """What methods are made equal in.

    Arguments:
        name: What it is, in words.
        cost: The cost of a row; None where it is not known.
        exact: Whether nothing but the same number will do.
        words: The anchor's cost as heads of columns have it.
    """

    name: str
    cost: Callable[[Row], float | None]
    exact: bool
    words: Callable[[float], str]


def _seconds(row: Row) -> float | None:
    """Time of a cycle; None where it is so short that it says what else the machine did."""
    seconds = row.cost("wall_seconds_a_cycle").sort
    return seconds if seconds and seconds > SHORTEST else None


def _members(row: Row) -> float | None:
    return float(row.first.members)


def _work(row: Row) -> float | None:
    return over_seeds(run.work_a_cycle for run in row.runs if run.work_a_cycle).median


COMPARISONS = (
    Comparison("equal members", _members, True, lambda n: f"{n:.0f}"),
    Comparison("equal denoiser evaluations", _work, False, lambda n: f"{n:.0f} a cycle"),
    Comparison("equal time", _seconds, False, lambda s: f"{duration(s)} a cycle"),
)


class Choice(NamedTuple):
    """The row of a method that a comparison takes, the nearest one.

    Arguments:
        row: The row; None where none is near enough.
        share: Its cost over the anchor's, in words.
        ratios: Mean RMSE ratio to the free ensemble, for each kind of fields.
    """

    row: Row | None
    share: str
    ratios: list[Value]


class EqualCost(NamedTuple):
    """Methods at equal members and at equal cost.

    Arguments:
        heads: The comparisons, and the anchor's cost.
        lines: The own row of each method, and its choice in each comparison.
    """

    heads: list[tuple[str, str]]
    lines: list[tuple[Row, list[Choice]]]


def equal_cost(board: Board) -> EqualCost | None:
    """Methods with the sizes that come nearest to FA-APF's members, denoiser evaluations, and time.

    None where no method has several sizes, or there is no FA-APF. Evaluations are compared where a
    free forecast takes some; a comparison in which no size is near enough is left out.
    """
    families = _families(board)
    several = {own for own, rows in families.items() if len(rows) > 1}
    if ANCHOR not in families or not several:
        return None
    anchor, reference = families[ANCHOR][0], families.get(REFERENCE, [None])[0]
    usable = [c for c in COMPARISONS if c.cost(anchor) and reference and c.cost(reference)]
    chosen = {
        (row.method, c.name): _choice(board, families[row.method], anchor, c)
        for row in board.rows
        if row.method in several | {ANCHOR}
        for c in usable
    }
    heads = [c for c in usable if any(chosen[own, c.name].row for own in several if own != ANCHOR)]
    if not heads:
        return None
    lines = [
        (row, [chosen[row.method, c.name] for c in heads])
        for row in board.rows
        if row.method in several | {ANCHOR}
    ]
    return EqualCost([(c.name, c.words(c.cost(anchor) or 0.0)) for c in heads], lines)


def _families(board: Board) -> dict[str, list[Row]]:
    """The rows of each method, filters with other sizes after its own."""
    families = {row.method: [row] for row in board.rows}
    for row in board.beside:
        label = parsed(row.method)
        if not label.lag:
            families[label.own].append(row)
    return families


def _choice(board: Board, rows: Sequence[Row], anchor: Row, comparison: Comparison) -> Choice:
    aim = comparison.cost(anchor) or 1.0
    shares = [(row, cost / aim) for row in rows if (cost := comparison.cost(row))]
    near = [
        (row, share)
        for row, share in shares
        if (share == 1 if comparison.exact else LEAST <= share <= MOST)
    ]
    if not near:
        return Choice(None, "", [Value("–") for _ in board.kinds])
    row, share = min(near, key=lambda pair: abs(np.log(pair[1])))
    words = "" if comparison.exact else f"{number(100 * share, 2 if share < 1 else 3)} %"
    return Choice(row, words, board.mean_ratios(row))
