"""The card that a link to the site is shown with: the truth and two means, in large letters."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures import globe
from dabench.leaderboard.figures.coastlines import ON_EARTH
from dabench.leaderboard.figures.globe import Field, Grid
from dabench.leaderboard.figures.maps import Shades, map_shades, maps_of
from dabench.leaderboard.figures.panels import place
from dabench.leaderboard.figures.style import LIGHT, look
from dabench.leaderboard.format import day, title
from dabench.scores.record import Scores

SIZE = (8.0, 4.2)
"""Width and height in inches, 1200 x 630 pixels at 150 to the inch, as networks ask for."""
MAP, LETTERS = 2.45, 84
"""Width of a map, inches; letters in a line."""


def card(names: Sequence[str], runs: Sequence[Scores], words: str) -> Figure:
    """A card of the last map that all runs have.

    Arguments:
        names, runs: Methods whose means are shown beside the truth, and their runs.
        words: A sentence below the title.
    """
    maps = [maps_of(run) for run in runs]
    cell, cycle = max((key for key in maps[0] if all(key in m for m in maps)), key=lambda k: k[1])
    truth = maps[0][cell, cycle][0]
    fields = {"Truth": truth} | {
        name: np.add(*own[cell, cycle]) for name, own in zip(names, maps, strict=True)
    }
    with look(LIGHT):
        figure = Figure(figsize=SIZE)
        figure.text(0.04, 0.86, "dabench", fontsize=30, fontweight="bold")
        figure.text(0.04, 0.78, "Data assimilation with diffusion forecast models", fontsize=14)
        shades = map_shades(cell[0], truth)
        for column, (name, field) in enumerate(fields.items()):
            _map(figure, 0.32 + column * (MAP + 0.1), name, field, runs[0], shades)
        what = f"{title(*cell)}, day {day(runs[0], cycle)}"
        figure.text(0.04, 0.235, what, fontsize=10, color=LIGHT.soft)
        figure.text(0.04, 0.1, fill(words, LETTERS), fontsize=12)
    return figure


def _map(figure: Figure, left: float, name: str, field: Field, run: Scores, shades: Shades) -> None:
    axes = place(figure, left, 1.25, MAP, MAP * globe.RATIO)
    pictures = run.pictures["fields"]  # type: ignore[index]
    grid = Grid(tuple(pictures["latitude"]), tuple(pictures["longitude"]))
    map = globe.whole(axes, LIGHT.ink)
    map.image(field, grid, cmap=shades.colours, norm=shades.scale)
    if run.system["name"] in ON_EARTH:
        map.coasts()
    axes.set_title(name, fontsize=12, pad=5, loc="center")
