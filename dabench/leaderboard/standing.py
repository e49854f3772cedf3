"""Who wins a board, and by how much: sentences made from the numbers."""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from dabench.leaderboard.board import Board
from dabench.leaderboard.format import number
from dabench.leaderboard.row import Row
from dabench.scores.headlines import REFERENCE
from dabench.scores.observed import OBSERVED, OTHERS, held_to

KINDS = {OBSERVED: "observed fields", OTHERS: "fields that nothing observes"}


class Standing(NamedTuple):
    """The order of the methods in one kind of fields, references aside.

    Arguments:
        kind: Kind of fields.
        ranked: Methods and their mean RMSE ratio, the best first.
        tied: The best method and those that tests do not tell apart from it, see `pairs.Count`, up
            to the first one that they do; empty where it stands alone.
    """

    kind: str
    ranked: list[tuple[Row, float]]
    tied: list[Row]


def standings(board: Board) -> list[Standing]:
    """The standing in each kind of fields that the board has, where there is any."""
    all_kinds = [_standing(board, kind) for kind in board.kinds]
    return [standing for standing in all_kinds if standing.ranked]


def _standing(board: Board, kind: str) -> Standing:
    rows = [row for row in board.rows if not row.reference and not row.status]
    ratios = [(row, board.mean_ratio(row, kind).sort) for row in rows]
    ranked = sorted(((row, x) for row, x in ratios if x is not None), key=lambda pair: pair[1])
    cells, best = board.kinds[kind], [row for row, _ in ranked[:1]]
    others = (row for row, _ in ranked[1:])
    tied = list(takewhile(lambda row: board.pairs.count(best[0], row, cells).tied, others))
    return Standing(kind, ranked, best + tied if tied else [])


BEST, TIED = "best", "tied"
"""Classes of the marks of the best method, and of those that cannot be told apart from it."""

Marks = dict[str, dict[str, str]]
"""Mark by kind of fields and method."""


def marks(board: Board) -> Marks:
    """How tables mark the best method of each kind of fields, or the best ones."""
    return {
        standing.kind: dict.fromkeys((row.method for row in standing.tied), TIED)
        or {standing.ranked[0][0].method: BEST}
        for standing in standings(board)
    }


def sentences(board: Board) -> list[str]:
    """Who wins in each kind of fields, by how much, and how sure that is.

    Where values are real, what they are scored by comes first.
    """
    by = held_to(board.first)
    first = [f"{by[0].upper()}{by[1:]}."] if by else []
    return first + [
        " ".join([_winner(board, standing), *_references(board, standing)])
        for standing in standings(board)
    ]


def _winner(board: Board, standing: Standing) -> str:
    (best, ratio), *others = standing.ranked
    where = f"On {KINDS[standing.kind]}"
    scale = f"{_percent(ratio)} of the free ensemble's RMSE"
    if not others:
        return f"{where} {best.name}, the only method, has {scale}."
    if standing.tied:
        return f"{where} {_tie(standing)}"
    second, next_ratio = others[0]
    less = f"{_percent(1 - ratio / next_ratio)} less than {second.name}, the next"
    return f"{where} {best.name} is best: {scale}, {less} ({_sure(board, standing, second)})."


def _tie(standing: Standing) -> str:
    names = listed([row.name for row in standing.tied])
    span = _span([ratio for row, ratio in standing.ranked if row in standing.tied])
    text = f"{names} cannot be told apart: they have {span} of the free ensemble's RMSE"
    others = [(row, ratio) for row, ratio in standing.ranked if row not in standing.tied]
    return f"{text}; {others[0][0].name} has {_percent(others[0][1])}." if others else f"{text}."


def _sure(board: Board, standing: Standing, second: Row) -> str:
    count = board.pairs.count(standing.ranked[0][0], second, board.kinds[standing.kind])
    if not count.tested:
        return "too few independent cycles or seeds to test it"
    less = f"significantly in {count.better} of {count.fields} fields"
    return f"{less}, significantly more in {count.worse}" if count.worse else less


def _references(board: Board, standing: Standing) -> list[str]:
    """What references have that come before the best method; the exact posterior always."""
    best, lines = standing.ranked[0][1], []
    for row in board.rows:
        ratio = board.mean_ratio(row, standing.kind).sort
        if not row.reference or row.method == REFERENCE or ratio is None:
            continue
        if row.exact:
            lines.append(f"The exact posterior ({row.name}) has {_percent(ratio)}.")
        elif ratio < best:
            lines.append(f"{row.name}, a reference, has {_percent(ratio)}.")
    return lines


def _percent(ratio: float) -> str:
    return f"{number(100 * ratio, 2 if ratio < 1 else 3)} %"


def _span(ratios: Sequence[float]) -> str:
    low, high = _percent(min(ratios)), _percent(max(ratios))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: `A, B and C`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
