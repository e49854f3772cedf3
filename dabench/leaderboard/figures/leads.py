"""Figures of skill against lead time."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures.panels import (
    Range,
    add_legend,
    cell_title,
    columns_of,
    is_narrow,
    label,
    legend_height,
    panels,
    set_range,
)
from dabench.leaderboard.figures.style import Palette
from dabench.leaderboard.format import units
from dabench.leaderboard.leads import mean_by_lead, median
from dabench.leaderboard.methods import display_name
from dabench.scores.forecasts import Forecast
from dabench.scores.headlines import headlines
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.record import Cell

MEANS = "rmse", "crps", "spread_skill"
"""Metrics whose means over fields are drawn."""


def by_lead(forecasts: Mapping[str, Sequence[Forecast]], metric: str, palette: Palette) -> Figure:
    """One metric against lead time: a panel for each headline field, a line for each method.

    Arguments:
        forecasts: Forecasts by method, one a seed, all with the same leads.
    """
    first = next(iter(forecasts.values()))[0]
    fields = headlines(first.variables)
    columns = columns_of(min(3, len(fields)))
    styles = palette.styles(forecasts)
    names = {display_name(method): style for method, style in styles.items()}
    figure, all_axes = panels(len(fields), columns, above=legend_height(names))
    add_legend(figure, f"{BY_NAME[metric].title} by lead time of forecasts", names)
    for i, (axes, cell) in enumerate(zip(all_axes, fields, strict=True)):
        lines = {method: median(own, cell, metric) for method, own in forecasts.items()}
        unit = units(first.variables[cell[0]].units) if cell[0] in first.variables else ""
        below = first.unit if i + columns >= len(fields) else ""
        label(axes, palette, cell_title(*cell), unit=unit, x=f"lead, {below}" if below else "")
        set_range(axes, "x", Range(0.0, float(first.leads[-1])), 6)
        set_range(axes, "y", Range.of(np.concatenate([[0.0], *lines.values()])), 5)
        for method, values in lines.items():
            style = styles[method]
            axes.plot(first.leads, values, color=style.colour, linestyle=style.pattern, zorder=3)
    return figure


def means_by_lead(
    forecasts: Mapping[str, Sequence[Forecast]],
    kinds: Mapping[str, Sequence[Cell]],
    palette: Palette,
) -> Figure | None:
    """Means over fields against lead time: a row for each metric, a panel for each kind of fields.

    RMSE and CRPS are over those of the forecasts from the free ensemble; None without it.

    Arguments:
        forecasts: Forecasts by method, one a seed, all with the same leads.
        kinds: Fields that are observed somewhere, and others.
    """
    content = [
        (metric, kind, mean_by_lead(forecasts, cells, metric))
        for metric in MEANS
        for kind, cells in kinds.items()
    ]
    if not any(lines for metric, _, lines in content if metric == MEANS[0]):
        return None
    first, styles = next(iter(forecasts.values()))[0], palette.styles(forecasts)
    names = {display_name(method): style for method, style in styles.items()}
    columns = 1 if is_narrow() else len(kinds)
    figure, all_axes = panels(len(content), columns, above=legend_height(names))
    add_legend(figure, "Forecasts from the analyses, means over fields", names)
    for i, (axes, (metric, kind, lines)) in enumerate(zip(all_axes, content, strict=True)):
        below = f"lead, {first.unit}" if i + columns >= len(content) else ""
        scale = "ratio" if is_narrow() else "over the free ensemble's"
        unit = "" if metric == "spread_skill" else scale
        label(axes, palette, f"{BY_NAME[metric].title}, {kind} fields", unit=unit, x=below)
        set_range(axes, "x", Range(0.0, float(first.leads[-1])), 6)
        set_range(axes, "y", Range.of(np.concatenate([[0.0, 1.0], *lines.values()])), 5)
        for method, values in lines.items():
            style = styles[method]
            axes.plot(first.leads, values, color=style.colour, linestyle=style.pattern, zorder=3)
    return figure
