"""A map of the observation network."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.leaderboard.figures.panels import place
from dabench.leaderboard.format import label

Group = Mapping[str, Any]
"""Places of a group of observations, as `result_schema.GroupPlaces`."""

COLOURS = ("#2a86c7", "#d96a1d", "#2f9e78", "#b0559e", "#a08a2c", "#7a7f87")
"""Colours of groups, which can be read on light and on dark pages."""
MARKERS = "os^Dv*"
MANY = 300
"""More marks than this are drawn as pixels."""
MOST = 361
"""Longitudes or latitudes of a grid that are drawn."""
LETTERS = 88
"""Letters in a line of the legend."""
WIDTH, LINE, GAP = 6.4, 0.15, 0.07
"""Width of the figure; height of a line of the legend and of the gap between groups; inches."""


def network(groups: Sequence[Group]) -> Figure:
    """The places of every group of observations; withheld groups have hollow marks."""
    on_sphere = any(group.get("latitude") for group in groups)
    texts = [fill(_description(group), LETTERS) for group in groups]
    head = 0.1 + sum(GAP + LINE * (1 + text.count("\n")) for text in texts)
    below, height = (0.3, 2.95) if on_sphere else (0.45, 0.55)
    figure = Figure(figsize=(WIDTH, head + below + height + 0.05))
    axes = place(figure, 0.08 * WIDTH, below, 0.9 * WIDTH, height)
    for i, (group, text) in enumerate(zip(groups, texts, strict=True)):
        _draw(axes, group, text, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
    if on_sphere:
        _as_map(axes)
    else:
        axes.set(yticks=[], xlabel="site")
        axes.grid(False)
    figure.legend(loc="upper left", markerscale=1.5, handletextpad=0.2, borderaxespad=0.2)
    return figure


def _draw(axes: Axes, group: Group, text: str, colour: str, marker: str) -> None:
    x, y = _places(group)
    axes.scatter(
        x,
        y,
        float(np.clip(4000 / max(1, len(x)), 3, 30)),
        label=text,
        zorder=3,
        rasterized=len(x) > MANY,
        marker=marker,
        facecolor="none" if group["withheld"] else colour,
        edgecolor=colour,
        lw=0.8,
    )


def _as_map(axes: Axes) -> None:
    axes.set(xlim=(0, 360), ylim=(-90, 90), xticks=range(0, 361, 60), yticks=range(-60, 61, 30))
    axes.xaxis.set_major_formatter("{x:.0f}°")
    axes.yaxis.set_major_formatter("{x:.0f}°")
    axes.grid(True, axis="both")


def _description(group: Group) -> str:
    variables = ", ".join(map(label, group["variables"]))
    text = f"{group['group']}: {variables}; {group['places']} places, {group['values']} values"
    prefix = "withheld for verification, " if group["withheld"] else ""
    return f"{prefix}{text} a cycle"


def _places(group: Group) -> Float[np.ndarray, "2 place"]:
    """Across and up of all places of a group: longitudes and latitudes, or sites in a row."""
    if not group.get("latitude"):
        sites = np.array(group["site"], float)
        return np.stack([sites, np.zeros(len(sites))])
    x, y = np.array(group["longitude"], float) % 360, np.array(group["latitude"], float)
    if group["grid"]:
        x, y = (axis.ravel() for axis in np.meshgrid(x[:MOST], y[:MOST]))
    count = min(len(x), len(y))
    return np.stack([x[:count], y[:count]])
