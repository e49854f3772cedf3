"""A figure of skill against lead time."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures.panels import (
    Range,
    add_legend,
    label,
    legend_height,
    panels,
    set_range,
)
from dabench.leaderboard.figures.style import Palette
from dabench.leaderboard.format import title, units
from dabench.leaderboard.leads import lead_unit, median
from dabench.leaderboard.methods import display_name
from dabench.scores.forecasts import Forecast
from dabench.scores.headlines import headlines
from dabench.scores.metrics.registry import BY_NAME


def by_lead(forecasts: Mapping[str, Sequence[Forecast]], metric: str, palette: Palette) -> Figure:
    """One metric against lead time: a panel for each headline field, a line for each method.

    Arguments:
        forecasts: Forecasts by method, one a seed, all with the same leads.
    """
    first = next(iter(forecasts.values()))[0]
    fields = headlines(first.variables)
    columns = min(3, len(fields))
    styles = palette.styles(forecasts)
    names = {display_name(method): style for method, style in styles.items()}
    figure, all_axes = panels(len(fields), columns, above=legend_height(names))
    add_legend(figure, f"{BY_NAME[metric].title} by lead time of forecasts", names)
    for i, (axes, cell) in enumerate(zip(all_axes, fields, strict=True)):
        lines = {method: median(own, cell, metric) for method, own in forecasts.items()}
        unit = units(first.variables[cell[0]].units) if cell[0] in first.variables else ""
        below = lead_unit(first) if i + columns >= len(fields) else ""
        label(axes, palette, title(*cell), unit=unit, x=f"lead, {below}" if below else "")
        set_range(axes, "x", Range(0.0, float(first.leads[-1])), 6)
        set_range(axes, "y", Range.of(np.concatenate([[0.0], *lines.values()])), 5)
        for method, values in lines.items():
            style = styles[method]
            axes.plot(first.leads, values, color=style.colour, linestyle=style.pattern, zorder=3)
    return figure
