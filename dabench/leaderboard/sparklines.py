"""Small pictures of an error against time in a table, all on one logarithmic scale."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dabench.leaderboard.format import label, number, units
from dabench.leaderboard.row import Row
from dabench.scores.record import Cell

WIDTH, HEIGHT = 96, 24
"""Size of a picture, pixels."""


class Sparklines(NamedTuple):
    """The lines of all rows of a board.

    Arguments:
        heading: What is shown.
        scale: Values at the lower and upper edge, in words.
        grid: Heights of the powers of ten, pixels from the top.
        points: By method, the points of a polyline; empty where there are fewer than two.
    """

    heading: str
    scale: str
    grid: list[float]
    points: dict[str, str]


def sparklines(rows: Sequence[Row], cell: Cell) -> Sparklines:
    """RMSE of the first seed of every row in one cell."""
    lines = {row.method: np.log10(row.sparkline(cell)) for row in rows}
    every = np.concatenate([*lines.values(), np.zeros(0)])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
    high = max(high, low + 0.1)
    unit = units(rows[0].first.units(cell[0]))
    powers = np.arange(np.ceil(low), np.floor(high) + 1)
    return Sparklines(
        f"RMSE of {label(*cell)} over time",
        f"{number(10**low, 2)} to {number(10**high, 2)} {unit}".rstrip(),
        [round(y, 1) for y in _height(powers, low, high).tolist()],
        {method: _points(line, low, high) for method, line in lines.items()},
    )


def _height(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return 1 + (high - values) / (high - low) * (HEIGHT - 2)


def _points(line: np.ndarray, low: float, high: float) -> str:
    if np.isfinite(line).sum() < 2:
        return ""
    x, y = np.linspace(1, WIDTH - 1, len(line)), _height(line, low, high)
    return " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
