"""The members of each method at one point, as densities."""

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.leaderboard.figures.panels import (
    SMALL,
    WIDTH,
    Range,
    new_figure,
    place,
    set_range,
    text_width,
)
from dabench.leaderboard.figures.style import LineStyle, Palette
from dabench.leaderboard.format import day, title, units
from dabench.leaderboard.methods import display_name
from dabench.scores.record import Scores

ROW, ABOVE, BELOW = 0.42, 0.32, 0.5
"""Heights of a method's row and of the room above and below all rows, inches."""


def density(first: Mapping[str, Scores], palette: Palette) -> Figure:
    """Density of the members at a point, a row for each method; a line shows the truth.

    Each density is as high as its row, so that its width shows how sharp the ensemble is; drawn
    with equal areas one would be a needle and another flat.

    Arguments:
        first: Runs whose pictures hold a point, by method.
    """
    points = {method: run.pictures["point"] for method, run in first.items() if run.pictures}
    members = {method: np.array(point["members"], float) for method, point in points.items()}
    members = {method: x for method, x in members.items() if np.isfinite(x).all()}
    figure = new_figure(ROW * len(members) + ABOVE + BELOW)
    left = 0.2 + max((text_width(display_name(m), SMALL) for m in members), default=0.0)
    axes = place(figure, left, BELOW, WIDTH - left - 0.1, ROW * len(members) or 0.1)
    if members:
        _violins(axes, members, palette.styles(first), palette)
    method, run = next(iter(first.items()))
    _explain(axes, run, points[method], palette)
    return figure


def _violins(
    axes: Axes,
    members: Mapping[str, Float[np.ndarray, "member"]],
    styles: Mapping[str, LineStyle],
    palette: Palette,
) -> None:
    """A violin for each method, a thin line in it for each member."""
    sns.violinplot(
        {display_name(method): x for method, x in members.items()},
        ax=axes,
        orient="h",
        palette={display_name(method): styles[method].colour for method in members},
        saturation=1.0,
        density_norm="width",
        inner="stick",
        linecolor=palette.ink,
        linewidth=0.7,
        width=0.9,
        cut=1,
        gridsize=80,
    )


def _explain(axes: Axes, run: Scores, point: Mapping, palette: Palette) -> None:
    """The truth as a line, units, and what the figure is about."""
    axes.axvline(point["truth"], color=palette.ink, lw=1.2, zorder=5)
    set_range(axes, "x", Range(*axes.get_xlim()), 6)
    axes.set(xlabel=units(run.units(point["variable"])), ylabel="")
    axes.grid(False)
    where = (
        f"at {point['latitude']:g}° N, {point['longitude']:g}° E, day {day(run, point['cycle'])}"
    )
    what = title(point["variable"], point["level"])
    axes.set_title(f"{what} {where}; the vertical line is the truth", loc="left")
