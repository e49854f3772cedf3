"""The members of each method at one point."""

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.leaderboard.figures.style import FULL_WIDTH, INK, colours
from dabench.leaderboard.format import title, units
from dabench.scores.record import Scores

ROW = 0.42
"""Height of a method, inches."""


def density(kept: Mapping[str, Scores]) -> Figure:
    """Density of the members at a point, a row a method, each as high as its row; and the truth.

    How sharp an ensemble is shows in its width; an area to scale would be a needle or flat.
    """
    points = {method: (run.pictures or {})["point"] for method, run in kept.items()}
    run, first = next(iter(kept.values())), next(iter(points.values()))
    members = {m: np.array(point["members"], float) for m, point in points.items()}
    shown = {m: x for m, x in members.items() if np.isfinite(x).all()}
    high = ROW * len(shown) + 0.82
    figure = Figure(figsize=(FULL_WIDTH, high))
    axes = figure.add_axes((0.11, 0.5 / high, 0.87, ROW * len(shown) / high))
    if shown:
        _violins(axes, shown)
    axes.axvline(first["truth"], color=INK, lw=1.2, zorder=5)
    unit = units(run.units(first["variable"]))
    axes.set(xlabel=unit, ylabel="")
    axes.grid(False)
    day = (run.seconds[first["cycle"]] - run.seconds[0]) / 86400
    where = f"at {first['latitude']:g}° N, {first['longitude']:g}° E, day {day:.3g}"
    axes.set_title(f"{title(first['variable'], first['level'])} {where}; the line is the truth")
    return figure


def _violins(axes: Axes, members: Mapping[str, np.ndarray]) -> None:
    """A line in each for every member."""
    sns.violinplot(
        members,
        ax=axes,
        orient="h",
        palette=colours(list(members)),
        saturation=1.0,
        density_norm="width",
        inner="stick",
        linewidth=0.7,
        width=0.9,
        cut=1,
        gridsize=80,
    )
