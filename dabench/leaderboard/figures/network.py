"""A map of the observation network."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.leaderboard.figures import globe
from dabench.leaderboard.figures.coastlines import ON_EARTH, ON_SPEEDY, land
from dabench.leaderboard.figures.globe import Grid
from dabench.leaderboard.figures.panels import place, width
from dabench.leaderboard.figures.style import Palette
from dabench.leaderboard.format import label

Group = Mapping[str, Any]
"""Places of a group of observations, as `result_schema.GroupPlaces`."""

COLOURS = ("#2a86c7", "#d96a1d", "#2f9e78", "#b0559e", "#a08a2c", "#7a7f87")
"""Colours of groups, which can be read on light and on dark pages."""
MARKERS = "os^Dv*"
LAND = 0.5
"""Grey of land, between black and white."""
MANY = 300
"""More marks than this are drawn as pixels."""
MOST = 361
"""Longitudes or latitudes of a grid that are drawn."""
LETTERS = 13.5
"""Letters in an inch of the legend."""
WIDEST, LINE, GAP = 6.4, 0.15, 0.07
"""Largest width; heights of a line of the legend and of the gap between groups; inches."""


def network(groups: Sequence[Group], system: str, palette: Palette) -> Figure:
    """The places of every group of observations; withheld groups have hollow marks.

    Arguments:
        groups: Groups of observations, on the sphere or on sites in a row.
        system: Name of the system, which tells whether there are coasts.
    """
    on_sphere, wide = any(group.get("latitude") for group in groups), min(WIDEST, width())
    texts = [fill(_description(group), int(LETTERS * wide + 1)) for group in groups]
    head = 0.1 + sum(GAP + LINE * (1 + text.count("\n")) for text in texts)
    below, height = (0.05, 0.9 * wide * globe.RATIO) if on_sphere else (0.45, 0.55)
    figure = Figure(figsize=(wide, head + below + height + 0.05))
    axes = place(figure, (0.05 if on_sphere else 0.08) * wide, below, 0.9 * wide, height)
    if on_sphere:
        _map(axes, system, palette)
    else:
        axes.set(yticks=[], xlabel="site")
        axes.grid(False)
    for i, (group, text) in enumerate(zip(groups, texts, strict=True)):
        _draw(axes, group, text, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
    figure.legend(loc="upper left", markerscale=1.5, handletextpad=0.2, borderaxespad=0.2)
    return figure


def _map(axes: Axes, system: str, palette: Palette) -> None:
    """The map beneath the observations."""
    map = globe.whole(axes, palette.ink, palette.ink)
    if system == ON_SPEEDY:
        mask = land()
        rows, columns = mask.shape
        grid = Grid(tuple(np.linspace(-90, 90, rows)), tuple(np.arange(columns) * 360 / columns))
        field = np.where(mask, LAND, np.nan)
        map.image(field, grid, cmap="gray", vmin=0, vmax=1, alpha=0.25)
    if system in ON_EARTH:
        map.coasts(palette.soft)


def _draw(axes: Axes, group: Group, text: str, colour: str, marker: str) -> None:
    x, y = _places(group)
    share = min(WIDEST, width()) / WIDEST
    axes.scatter(
        x,
        y,
        share**2 * float(np.clip(4000 / max(1, len(x)), 3, 30)),
        label=text,
        zorder=3,
        rasterized=len(x) > MANY,
        marker=marker,
        facecolor="none" if group["withheld"] else colour,
        edgecolor=colour,
        lw=0.8,
    )


def _description(group: Group) -> str:
    variables = ", ".join(map(label, group["variables"]))
    text = f"{group['group']}: {variables}; {group['places']} places, {group['values']} values"
    prefix = "withheld for verification, " if group["withheld"] else ""
    return f"{prefix}{text} a cycle"


def _places(group: Group) -> Float[np.ndarray, "2 place"]:
    """Across and up of all places of a group: on the map, or sites in a row."""
    if not group.get("latitude"):
        sites = np.array(group["site"], float)
        return np.stack([sites, np.zeros(len(sites))])
    x, y = np.array(group["longitude"], float), np.array(group["latitude"], float)
    if group["grid"]:
        x, y = (axis.ravel() for axis in np.meshgrid(x[:MOST], y[:MOST]))
    count = min(len(x), len(y))
    return globe.project((x[:count] + 180) % 360 - 180, y[:count])
