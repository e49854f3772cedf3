"""A figure of skill against the number of members."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures.panels import (
    Range,
    add_legend,
    is_narrow,
    label,
    legend_height,
    panels,
    set_range,
)
from dabench.leaderboard.figures.style import Palette
from dabench.leaderboard.methods import display_name
from dabench.leaderboard.sizes import curves
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.observed import kinds_of_fields
from dabench.scores.record import Scores

METRICS = "rmse", "crps"
HEIGHT = 1.9
"""Height of a panel, inches."""


def sizes(runs: Sequence[Scores], palette: Palette) -> Figure | None:
    """Skill against members: a row for each metric, a panel for each kind of fields, a line for
    each method that was run with several sizes; None without any.

    Skill is the geometric mean over fields of scores over those of the free ensemble's own row.
    """
    kinds = kinds_of_fields(runs[0])
    content = [
        (f"{BY_NAME[metric].title}, {kind} fields", curves(runs, cells, metric))
        for metric in METRICS
        for kind, cells in kinds.items()
    ]
    styles = palette.styles(method for _, lines in content for method in lines)
    if not styles:
        return None
    names = {display_name(method): style for method, style in styles.items()}
    columns = 1 if is_narrow() else len(kinds)
    figure, all_axes = panels(len(content), columns, above=legend_height(names), height=HEIGHT)
    add_legend(figure, "Mean error over the free ensemble's, by number of members", names)
    for i, (axes, (title, lines)) in enumerate(zip(all_axes, content, strict=True)):
        label(axes, palette, title, x="members" if i + columns >= len(content) else "")
        points = np.array([point for line in lines.values() for point in line] or [(1.0, 1.0)])
        for name, column in zip(("x", "y"), points.T, strict=True):
            set_range(axes, name, Range.of(column, log=True, room=0.08), 6)
        for method, line in lines.items():
            look = {"color": styles[method].colour, "linestyle": styles[method].pattern}
            axes.plot(*zip(*line, strict=True), marker="o", ms=4, mew=0, zorder=3, **look)
    return figure
