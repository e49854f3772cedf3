"""The numbers that the selectors of a board's page choose from, as a script that works from disk.

A page on disk may not read other files but scripts, so the numbers are one.
"""

import json
from itertools import combinations
from typing import Any

from dabench.leaderboard.board import Board
from dabench.leaderboard.cost_and_skill import cost_and_skill
from dabench.leaderboard.format import title, units
from dabench.leaderboard.labels import own
from dabench.leaderboard.row import Row
from dabench.scores.metrics.registry import TESTED
from dabench.scores.record import GLOBAL, UNOBSERVED, Cell

NAME = "NUMBERS"
"""Constant of the script."""
DIGITS = 3
"""Significant digits of a ratio."""


def script(board: Board) -> str:
    """JavaScript that defines the scores of all methods, and all pairs of them."""
    regions = _regions(board)
    data = {
        "methods": [{"name": row.name, "colour": row.colour} for row in board.rows],
        "fields": [_field(board, cell) for cell in board.all_cells],
        "regions": regions,
        "scores": {
            metric: {region: _texts(board, metric, region) for region in regions}
            for metric in board.metrics(board.cells[0])
        },
        "costs": _costs(board),
        "pairs": {
            metric: {region: _pairs(board, metric, region) for region in regions}
            for metric in TESTED
        },
    }
    return f"const {NAME} = {json.dumps(data, separators=(',', ':'), ensure_ascii=False)};\n"


def _regions(board: Board) -> dict[str, str]:
    """Words of every region that is scored, the globe first."""
    names = {name: name.replace("-", " ") for name in board.first.regions if name != GLOBAL}
    unobserved = any(run.unobserved for run in board.runs)
    last = {UNOBSERVED: "points that nothing observes"} if unobserved else {}
    return {GLOBAL: "everywhere", **names, **last}


def _field(board: Board, cell: Cell) -> dict[str, Any]:
    return {
        "variable": title(cell[0]),
        "level": cell[1],
        "units": units(board.first.units(cell[0])),
        "observed": board.is_observed(cell),
    }


def _texts(board: Board, metric: str, region: str) -> list[list[list[str]]]:
    """Number and small print, by field and method."""
    values = [[row.shown(cell, metric, region) for row in board.rows] for cell in board.all_cells]
    return [[[value.text, value.note] for value in row] for row in values]


def _costs(board: Board) -> list[dict[str, Any]]:
    """Cost and skill of all methods that have both, by the places of their rows."""
    places = {row.method: place for place, row in enumerate(board.rows)}
    return [
        {
            "skill": kind.skill,
            "cost": cost,
            "points": [[places[m], *map(_rounded, point)] for m, point in points.items()],
        }
        for kind in cost_and_skill(own(board.runs), board.cells[0])
        for cost, points in kind.points.items()
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _pairs(board: Board, metric: str, region: str) -> dict[str, list[list[Any]]]:
    """Ratio and arrow in every field, by the places of two methods."""
    places = enumerate(board.rows)
    return {
        f"{i} {j}": _marks(board, one, other, metric, region)
        for (i, one), (j, other) in combinations(places, 2)
    }


def _marks(board: Board, one: Row, other: Row, metric: str, region: str) -> list[list[Any]]:
    marks = [board.pairs.mark(one, other, cell, metric, region) for cell in board.all_cells]
    return [[m.ratio and _rounded(m.ratio), m.arrow] for m in marks]
