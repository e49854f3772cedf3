"""All methods against all boards in one table: the front page's answer to who is better where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dabench.leaderboard.board import Board, rows_by_method
from dabench.leaderboard.methods import without_profile
from dabench.leaderboard.row import Row, Value
from dabench.leaderboard.standing import Marks
from dabench.scores.observed import OBSERVED, OTHERS

EARTH, DRY, TOYS = "Earth", "Dry planet", "Toys"
GROUPS = {"speedy": EARTH, "gencast": EARTH, "held_suarez": DRY}
"""System -> group of boards; all other systems are toys."""
PUBLISHED = "As published"
"""Group of problems that nobody has run, with curves from elsewhere."""

KINDS = (OBSERVED, OTHERS)


@dataclass(frozen=True)
class Line:
    """One method of the matrix.

    Arguments:
        row: A row of the method, for its name and colour.
        cells: For every board in order, the mean ratio of each kind of fields that it has, the
            note being its mark; nothing where the method was not run.
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


def matrix(boards: Sequence[Board], marks: Mapping[str, Marks]) -> list[Line]:
    """A line for each method that any board has, in the order of tables.

    Profiles and trials of a method are left to their boards.

    Arguments:
        marks: Marks of the best methods, by the slug of a board.
    """
    lines, methods = [], rows_by_method(boards)
    for name, pairs in methods.items():
        if without_profile(name) != name and without_profile(name) in methods:
            continue
        rows = {board.slug: row for board, row in pairs}
        cells = [
            _ratios(board, rows[board.slug], marks[board.slug]) if board.slug in rows else []
            for board in boards
        ]
        lines.append(Line(pairs[0][1], cells))
    return lines


def _ratios(board: Board, row: Row, marks: Marks) -> list[Value]:
    ratios = {kind: board.mean_ratio(row, kind) for kind in KINDS if kind in board.kinds}
    return [
        replace(value, note=marks.get(kind, {}).get(row.method, ""))
        for kind, value in ratios.items()
    ]
