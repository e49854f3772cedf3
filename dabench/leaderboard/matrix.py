"""All methods against all boards in one table: the front page's answer to who is better where."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dabench.leaderboard.board import Board, rows_by_method
from dabench.leaderboard.row import Row, Value
from dabench.scores.observed import OBSERVED, OTHERS

EARTH, DRY, TOYS = "Earth", "Dry planet", "Toys"
GROUPS = {"speedy": EARTH, "gencast": EARTH, "held_suarez": DRY}
"""System -> group of boards; all other systems are toys."""
PUBLISHED = "As published"
"""Group of problems that nobody has run, with curves from elsewhere."""

KINDS = (OBSERVED, OTHERS)
BEST = "best"
"""Note of the least value of a board among methods that are no references."""


@dataclass(frozen=True)
class Line:
    """One method of the matrix.

    Arguments:
        row: A row of the method, for its name and colour.
        cells: For every board in order, the mean ratio of each kind of fields that it has; nothing
            where the method was not run.
    """

    row: Row
    cells: list[list[Value]]


def grouped(boards: Sequence[Board]) -> dict[str, list[Board]]:
    """Boards by group, the Earth first; groups without boards are left out."""
    groups = {name: [b for b in boards if group_of(b) == name] for name in (EARTH, DRY, TOYS)}
    return {name: own for name, own in groups.items() if own}


def group_of(board: Board) -> str:
    """The group that a board belongs to."""
    return GROUPS.get(board.first.problem.system, TOYS)


def matrix(boards: Sequence[Board]) -> list[Line]:
    """A line for each method that any board has, in the order of tables."""
    least = {board.slug: _least(board) for board in boards}
    lines = []
    for pairs in rows_by_method(boards).values():
        rows = {board.slug: row for board, row in pairs}
        cells = [
            _ratios(board, rows[board.slug], least[board.slug]) if board.slug in rows else []
            for board in boards
        ]
        lines.append(Line(pairs[0][1], cells))
    return lines


def _ratios(board: Board, row: Row, least: dict[str, float]) -> list[Value]:
    ratios = {kind: board.mean_ratio(row, kind) for kind in KINDS if kind in board.kinds}
    return [
        replace(value, note=BEST) if value.sort is not None and value.sort == least[kind] else value
        for kind, value in ratios.items()
    ]


def _least(board: Board) -> dict[str, float]:
    """The least mean ratio of each kind of fields among methods that are no references."""
    rows = [row for row in board.rows if not row.reference]
    ratios = {kind: [board.mean_ratio(row, kind).sort for row in rows] for kind in KINDS}
    return {
        kind: min((ratio for ratio in values if ratio is not None), default=float("nan"))
        for kind, values in ratios.items()
    }
