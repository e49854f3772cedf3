"""Maps of the front page that can be played: truth, observations, one method, no observations.

Their fields travel in one script, a byte for each value, and are drawn by the page itself.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Colormap

from dabench.leaderboard.board import Board
from dabench.leaderboard.figures import globe
from dabench.leaderboard.figures.coastlines import ON_EARTH, coastlines
from dabench.leaderboard.figures.maps import map_shades, maps_of
from dabench.leaderboard.format import day, title, units
from dabench.leaderboard.methods import in_order
from dabench.leaderboard.row import Row
from dabench.leaderboard.thumbnails import MISSING, MOST
from dabench.scores.record import Cell, Scores

NAME = "SHOWCASE"
"""Constant of the script."""
COAST_STEP = 1e-3
"""Units of the places of coasts, on a globe of radius 1."""

Field = np.ndarray


class Showcase(NamedTuple):
    """What is example: a method and the free ensemble on one board."""

    board: Board
    row: Row
    free: Row

    @property
    def runs(self) -> tuple[Scores, Scores]:
        """The run of each that keeps maps."""
        return self.row.first, self.free.first

    @property
    def caption(self) -> str:
        """What the maps are of."""
        return f"{self.board.title}: {self.row.name} and the free ensemble, first seed."


def showcase(boards: Sequence[Board]) -> Showcase | None:
    """The first board with maps of its free ensemble and of a method that is no reference.

    Of several methods it is the first one of the table, FA-APF, whichever is the best.
    """
    for board in boards:
        rows = {r.method: r for r in board.rows if not r.reference and maps_of(r.first)}
        if rows and board.reference and maps_of(board.reference.first):
            return Showcase(board, rows[in_order(rows)[0]], board.reference)
    return None


def script(example: Showcase) -> str:
    """JavaScript that defines the fields, their colours, the grid, and the coasts."""
    run, free = example.runs
    axes = run.pictures["fields"]  # type: ignore[index]
    ours, theirs = maps_of(run), maps_of(free)
    cells = list(dict.fromkeys(cell for cell, _ in ours if cell in {c for c, _ in theirs}))
    data = {
        "method": example.row.name,
        "latitude": axes["latitude"],
        "longitude": axes["longitude"],
        "projection": {"coefficients": globe.COEFFICIENTS, "powers": globe.POWERS,
                       "half": [globe.HALF_WIDTH, globe.HALF_HEIGHT]},
        "coasts": _coasts() if run.system["name"] in ON_EARTH else [],
        "cells": [_cell(example, cell) for cell in cells],
    }  # fmt: skip
    return f"const {NAME} = {json.dumps(data, separators=(',', ':'), ensure_ascii=False)};\n"


def _cell(example: Showcase, cell: Cell) -> dict[str, Any]:
    """One variable: scales and colours, where it is observed, and its fields on every day."""
    run, free = example.runs
    ours, theirs = maps_of(run), maps_of(free)
    cycles = [cycle for c, cycle in ours if c == cell and (cell, cycle) in theirs]
    truths = [ours[cell, cycle][0] for cycle in cycles]
    values = map_shades(cell[0], np.stack(truths))
    bounds = [_bound([m[cell, cycle][1] for cycle in cycles]) for m in (ours, theirs)]
    return {
        "title": title(*cell),
        "units": units(run.units(cell[0])),
        "range": [values.low, values.high],
        "bounds": bounds,
        "colours": [_lookup(values.colours), _lookup(mpl.colormaps["PuOr_r"])],
        "observed": _observed(example, cell),
        "frames": [
            {
                "day": day(run, cycle),
                "truth": _bytes(ours[cell, cycle][0], values.low, values.high),
                "errors": [
                    _bytes(m[cell, cycle][1], -bound, bound)
                    for m, bound in zip((ours, theirs), bounds, strict=True)
                ],
                "rmse": [_rmse(r, cell, cycle) for r in (run, free)],
            }
            for cycle in cycles
        ],
    }


def _bound(errors: Sequence[Field]) -> float:
    """A round number about all errors but the largest."""
    return map_shades("error", np.abs(np.stack(errors))).high or 1.0


def _rmse(run: Scores, cell: Cell, cycle: int) -> float | None:
    series = run.series(cell, "rmse")
    return float(f"{series[cycle]:.3g}") if len(series) > cycle else None


def _bytes(values: Field, low: float, high: float) -> str:
    """A field in bytes from one value to another; `MISSING` where there is none."""
    scaled = np.clip((values - low) / (high - low), 0, 1) * MOST
    level = np.where(np.isfinite(values), np.rint(np.nan_to_num(scaled)), MISSING)
    return base64.b64encode(level.astype(np.uint8).tobytes()).decode()


def _lookup(colours: Colormap) -> str:
    """Red, green and blue of every level of a byte."""
    table = colours(np.linspace(0, 1, MOST + 1), bytes=True)[:, :3]
    return base64.b64encode(table.tobytes()).decode()


def _observed(example: Showcase, cell: Cell) -> str:
    """A byte for each point of the grid: whether it is the nearest one to an observation."""
    run = example.runs[0]
    axes: Mapping[str, Any] = run.pictures["fields"]  # type: ignore[index,assignment]
    latitude, longitude = np.array(axes["latitude"]), np.array(axes["longitude"])
    mask = np.zeros((len(latitude), len(longitude)), np.uint8)
    groups = run.pictures["network"] if example.board.is_observed(cell) else []  # type: ignore[index]
    for group in groups:
        if cell[0] in group["variables"] and not group["withheld"] and group.get("latitude"):
            north, east = np.array(group["latitude"]), np.array(group["longitude"])
            if group["grid"]:
                north, east = (axis.ravel() for axis in np.meshgrid(north, east))
            rows = np.abs(latitude[:, None] - north).argmin(0)
            turn = np.abs((longitude[:, None] - east + 180) % 360 - 180)
            mask[rows, turn.argmin(0)] = 1
    return base64.b64encode(mask.tobytes()).decode()


def _coasts() -> list[list[int]]:
    """Coasts on the map in `COAST_STEP`, across and up in turns."""
    lines = (globe.project(*place.T).T for place in coastlines())
    return [np.rint(line / COAST_STEP).astype(int).ravel().tolist() for line in lines]
