"""Maps of whole states, side by side: what a forecast's weather looks like beside the truth's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.leaderboard.figures import globe
from dabench.leaderboard.figures.globe import Grid
from dabench.leaderboard.figures.style import LIGHT, look

WIDTH, HEIGHT = 3.4, 1.75  # inches of one map
PALETTES = {"u_component_of_wind": "RdBu_r", "v_component_of_wind": "RdBu_r"}
PALETTE = "viridis"


class Map(NamedTuple):
    """A field to draw: its variable's name, the title of its row, (column, lat, lon) values."""

    variable: str
    title: str
    values: np.ndarray


def weather(
    latitude: np.ndarray,
    longitude: np.ndarray,
    columns: Sequence[str],
    rows: Sequence[Map],
    coasts: bool = False,
) -> Figure:
    """One row a field and one column a state, the colours of a row on one scale.

    Arguments:
        latitude, longitude: Degrees, ascending.
        columns: Titles of the columns.
        coasts: Whether the coasts of the Earth are drawn.
    """
    grid = Grid(tuple(latitude), tuple(longitude))
    with look(LIGHT):
        figure = Figure(figsize=(WIDTH * len(columns), HEIGHT * len(rows)), layout="constrained")
        axes = figure.subplots(len(rows), len(columns), squeeze=False)
        for line, row in zip(axes, rows, strict=True):
            _draw_row(figure, list(line), columns, row, grid, coasts)
    return figure


def _draw_row(
    figure: Figure, line: list[Axes], columns: Sequence[str], row: Map, grid: Grid, coasts: bool
) -> None:
    low, high = np.percentile(row.values, [0.5, 99.5])
    look = {"cmap": PALETTES.get(row.variable, PALETTE), "vmin": low, "vmax": high}
    for axes, column, field in zip(line, columns, row.values, strict=True):
        axes.set_box_aspect(globe.RATIO)
        map = globe.whole(axes, LIGHT.ink)
        drawn = map.image(field, grid, **look)
        if coasts:
            map.coasts()
        axes.set_title(f"{row.title}, {column}", fontsize=6.5)
    figure.colorbar(drawn, ax=line, shrink=0.9, pad=0.01)
