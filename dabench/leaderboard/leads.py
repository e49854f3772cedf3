"""A table of forecasts from analyses: skill of every method by lead time."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from dabench.leaderboard.format import label, number, units
from dabench.leaderboard.methods import display_name, in_order
from dabench.scores.forecasts import Forecast
from dabench.scores.headlines import headlines
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.record import Cell, Series

METRICS = "rmse", "crps"
"""Metrics of tables and figures."""
MOST_COLUMNS = 6
"""Leads that a table shows, evenly spaced."""


def by_method(forecasts: Sequence[Forecast]) -> dict[str, list[Forecast]]:
    """Forecasts of one scenario by method, in the order of tables."""
    methods = in_order({forecast.method for forecast in forecasts})
    return {m: [f for f in forecasts if f.method == m] for m in methods}


def lead_unit(forecast: Forecast) -> str:
    """What leads are counted in."""
    return "days" if forecast.on_sphere else "cycles"


def median(forecasts: Sequence[Forecast], cell: Cell, metric: str) -> Series:
    """Median over seeds of a score at every lead; NaN where half of them have none."""
    values = np.array([forecast.series(cell, metric) for forecast in forecasts])
    middle = np.median(np.where(np.isfinite(values), values, np.inf), axis=0)
    return np.where(np.isfinite(middle), middle, np.nan)


def table(forecasts: Mapping[str, Sequence[Forecast]]) -> Table:
    """RMSE and CRPS of headline cells at some leads, the median over seeds."""
    first = next(iter(forecasts.values()))[0]
    steps = len(first.leads) - 1
    columns = np.unique(np.linspace(0, steps, min(MOST_COLUMNS, steps + 1)).round().astype(int))
    starts = len(first.attributes["starts"])
    result = Table(
        title=f"{first.attributes['scenario']['name']} · forecasts from analyses",
        caption=f"{starts} starts a seed, medians over seeds; lead in {lead_unit(first)}",
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
    )
    for head in ("", "", "method"):
        result.add_column(head, no_wrap=True)
    for i in columns:
        result.add_column(f"{first.leads[i]:g}", justify="right")
    for cell in headlines(first.variables):
        for metric in METRICS:
            result.add_section()
            _add_rows(result, forecasts, cell, metric, columns)
    return result


def _add_rows(
    result: Table,
    forecasts: Mapping[str, Sequence[Forecast]],
    cell: Cell,
    metric: str,
    columns: Sequence[int] | np.ndarray,
) -> None:
    """A row for each method."""
    variables = next(iter(forecasts.values()))[0].variables
    unit = units(variables[cell[0]].units) if cell[0] in variables else ""
    for i, (method, own) in enumerate(forecasts.items()):
        values = median(own, cell, metric)
        texts = [number(float(v)) if np.isfinite(v) else "–" for v in values[columns]]
        heads = [label(*cell), f"{BY_NAME[metric].title} {unit}".rstrip()] if i == 0 else ["", ""]
        result.add_row(*heads, display_name(method), *texts)
