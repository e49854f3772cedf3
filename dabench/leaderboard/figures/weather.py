"""Maps of whole states, side by side: what a forecast's weather looks like beside the truth's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures.style import LIGHT, look

WIDTH, HEIGHT = 3.2, 1.75  # inches of one map
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
    land: np.ndarray | None = None,
) -> Figure:
    """One row a field and one column a state, the colours of a row on one scale.

    Arguments:
        latitude, longitude: Degrees, ascending.
        columns: Titles of the columns.
        land: (lat, lon) whether a point is land, whose coast is drawn.
    """
    with look(LIGHT):
        figure = Figure(figsize=(WIDTH * len(columns), HEIGHT * len(rows)), layout="constrained")
        axes = figure.subplots(len(rows), len(columns), squeeze=False)
        for line, row in zip(axes, rows, strict=True):
            low, high = np.percentile(row.values, [0.5, 99.5])
            palette = PALETTES.get(row.variable, PALETTE)
            for place, column, field in zip(line, columns, row.values, strict=True):
                mesh = place.pcolormesh(
                    longitude, latitude, field, vmin=low, vmax=high, cmap=palette, rasterized=True
                )
                if land is not None:
                    place.contour(
                        longitude, latitude, land, [0.5], colors=LIGHT.ink, linewidths=0.5
                    )
                place.set_title(f"{row.title}, {column}", fontsize=6.5)
                place.set(xticks=[], yticks=[])
                place.grid(visible=False)
            figure.colorbar(mesh, ax=list(line), shrink=0.9, pad=0.01)
    return figure
