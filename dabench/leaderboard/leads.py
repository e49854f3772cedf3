"""Forecasts from analyses: skill of every method by lead time, and a table of it."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from rich.box import SIMPLE_HEAD
from rich.table import Table

from dabench.leaderboard.format import label, number, units
from dabench.leaderboard.methods import display_name, in_order
from dabench.scores.forecasts import Forecast
from dabench.scores.headlines import REFERENCE, headlines
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.record import Cell, Scores, Series

METRICS = "rmse", "crps", "spread"
"""Metrics of tables and figures."""
MOST_COLUMNS = 6
"""Leads that a table shows, evenly spaced."""


def by_method(forecasts: Sequence[Forecast]) -> dict[str, list[Forecast]]:
    """Forecasts of one scenario by method, in the order of tables."""
    methods = in_order({forecast.method for forecast in forecasts})
    return {m: [f for f in forecasts if f.method == m] for m in methods}


def of_runs(runs: Sequence[Scores]) -> dict[str, list[Forecast]]:
    """The forecasts that results have, by method; of several kinds those that most have.

    Arguments:
        runs: Runs of one problem.
    """
    forecasts = [forecast for run in runs if (forecast := Forecast.of(run)) is not None]
    kinds = Counter(map(_kind, forecasts))
    if not kinds:
        return {}
    usual = max(kinds, key=lambda kind: kinds[kind])
    return by_method([forecast for forecast in forecasts if _kind(forecast) == usual])


def _kind(forecast: Forecast) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """What forecasts share that may be compared: starts and leads."""
    return tuple(forecast.starts), tuple(forecast.leads.tolist())


def mean_by_lead(
    forecasts: Mapping[str, Sequence[Forecast]], cells: Sequence[Cell], metric: str
) -> dict[str, Series]:
    """Geometric mean over fields of a score at every lead, by method.

    Scores with units are divided by those of the forecasts from the free ensemble, over the seeds
    in common; there are none without it. NaN where a field has no score.
    """
    with_units, reference = BY_NAME[metric].has_units, forecasts.get(REFERENCE, [])
    means = {}
    for method, own in forecasts.items():
        shared = {f.seed for f in own} & {f.seed for f in reference} if with_units else None
        scores = _of_seeds(own, shared, cells, metric)
        if with_units:
            scores = scores / _of_seeds(reference, shared, cells, metric)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.exp(np.mean(np.log(scores), axis=0))
        if np.isfinite(mean).any():
            means[method] = np.where(np.isfinite(mean), mean, np.nan)
    return means


def _of_seeds(
    forecasts: Sequence[Forecast], seeds: set[int] | None, cells: Sequence[Cell], metric: str
) -> Float[np.ndarray, "cell lead"]:
    """Medians over some seeds, or over all; NaN without any."""
    taken = [f for f in forecasts if seeds is None or f.seed in seeds]
    if not taken:
        return np.full((len(cells), 1), np.nan)
    return np.array([median(taken, cell, metric) for cell in cells])


def median(forecasts: Sequence[Forecast], cell: Cell, metric: str) -> Series:
    """Median over seeds of a score at every lead; NaN where half of them have none."""
    values = np.array([forecast.series(cell, metric) for forecast in forecasts])
    middle = np.median(np.where(np.isfinite(values), values, np.inf), axis=0)
    return np.where(np.isfinite(middle), middle, np.nan)


def shown_leads(forecast: Forecast) -> np.ndarray:
    """Places of the leads that tables show."""
    steps = len(forecast.leads) - 1
    return np.unique(np.linspace(0, steps, min(MOST_COLUMNS, steps + 1)).round().astype(int))


def table(forecasts: Mapping[str, Sequence[Forecast]]) -> Table:
    """RMSE, CRPS and spread of headline cells at some leads, the median over seeds."""
    first = next(iter(forecasts.values()))[0]
    columns = shown_leads(first)
    starts = len(first.starts)
    result = Table(
        title=f"{first.scenario['name']} · forecasts from analyses",
        caption=f"{starts} starts a seed, medians over seeds; lead in {first.unit}",
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
