"""Figures of numbers against time, from scores alone."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures.sheet import Panel, Scale, Sheet, grid, head, scale_of, tall
from dabench.leaderboard.figures.style import FAINT, Styles, styles_of
from dabench.leaderboard.format import title, units
from dabench.leaderboard.methods import in_order
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.record import Cell, Scores, Variable

Series = dict[str, tuple[np.ndarray, np.ndarray]]
"""By method: times, and values (seed, time)."""

POINTS = 120
"""Longer series are averaged over blocks of cycles, to this many points."""

LEVELS = (100.0, 250.0, 850.0)
PROFILED = ("temperature", "geopotential", "v_component_of_wind", "specific_humidity")
"""What Savary, Rozet & Louppe (2025), arXiv 2509.18811, show in their figures 4 and 5."""


def metric(runs: Sequence[Scores], name: str, cells: Sequence[Cell]) -> Figure:
    """One metric against time, a panel a cell, a line a method, a band over its seeds."""
    shown = {}
    for cell in cells:
        unit = units(runs[0].units(cell[0]))
        shown[title(*cell), unit] = _against_time(runs, name, cell)
    return _figure(runs, shown, BY_NAME[name].curve, min(3, len(cells)))


def _figure(
    runs: Sequence[Scores], shown: Mapping[tuple[str, str], Series], heading: str, columns: int
) -> Figure:
    """A panel for each title and unit; the legend has the methods that have a line."""
    styles = styles_of(in_order({run.method for run in runs}))
    drawn = {m for series in shown.values() for m, (_, v) in series.items() if np.isfinite(v).any()}
    top, named = tall(len(shown), columns), {m: how for m, how in styles.items() if m in drawn}
    sheet = Sheet(top + head(named))
    sheet.legend(named, heading)
    for i, (place, ((name, unit), series)) in enumerate(
        zip(grid(len(shown), columns, top), shown.items(), strict=True)
    ):
        panel = place._replace(x=_time_scale(runs), y=_scale(series))
        last = i + columns >= len(shown)
        sheet.frame(panel, name, unit, time_label(runs[0]) if last else "")
        _mark_spinup(sheet, panel, runs[0])
        _lines(sheet, panel, series, styles)
    return sheet.done()


def _time_scale(runs: Sequence[Scores]) -> Scale:
    ends = [float(_time(run)[-1]) for run in runs if len(run.seconds) > 1]
    return Scale(0.0, max(ends, default=1.0))


def _scale(series: Series) -> Scale:
    """Logarithmic where values differ by more than a factor of eight."""
    values = np.concatenate([v.ravel() for _, v in series.values()] or [np.ones(0)])
    low, high = np.quantile(values[values > 0], [0.02, 0.98]) if (values > 0).any() else (1, 1)
    return scale_of(values, log=bool(high > 8 * low))


def profiles(variables: Mapping[str, Variable]) -> list[Cell]:
    """The paper's upper-air cells that there are, a row a variable."""
    return [
        (name, level)
        for name in PROFILED
        for level in LEVELS
        if name in variables and level in variables[name].levels
    ]


def time_label(scores: Scores) -> str:
    return "days" if scores.on_sphere else "cycle"


def _time(scores: Scores) -> np.ndarray:
    if time_label(scores) == "cycle":
        return np.arange(len(scores.seconds))
    return (scores.seconds - scores.seconds[0]) / 86400


def _against_time(runs: Sequence[Scores], name: str, cell: Cell) -> Series:
    """One cell of a metric, the globe."""
    lines = ((run, run.series(cell, name)) for run in runs)
    return _by_method((pair for pair in lines if len(pair[1])), root=BY_NAME[name].root)


def _by_method(found: Iterable[tuple[Scores, np.ndarray]], *, root: bool = False) -> Series:
    """Times and values (seed, time) of each method; a seed that ended early is NaN from there."""
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for run, values in found:
        rows.setdefault(run.method, []).append(_thinned(run, values, root=root))
    series = {}
    for method in in_order(rows):
        time = max((t for t, _ in rows[method]), key=len)
        padded = np.full((len(rows[method]), len(time)), np.nan)
        for line, (_, values) in zip(padded, rows[method], strict=True):
            line[: len(values)] = values
        series[method] = time, padded
    return series


def _thinned(run: Scores, values: np.ndarray, *, root: bool) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of one run; means over the known values of a block.

    Arguments:
        root: Whether a value is one, so that squares are averaged.
    """
    numbers, time = values, _time(run)[: len(values)]
    block = -(-len(numbers) // POINTS) if len(numbers) else 1
    if block > 1:
        whole = len(numbers) // block * block
        numbers = _means(numbers[:whole].reshape(-1, block), 2 if root else 1)
        time = time[:whole].reshape(-1, block).mean(1)
    return time, numbers


def _means(blocks: np.ndarray, power: int) -> np.ndarray:
    """Of what is known in each row, as powers; NaN where nothing is."""
    known = np.isfinite(blocks)
    with np.errstate(over="ignore", invalid="ignore"):  # of what diverged, of no numbers
        total = np.where(known, blocks**power, 0.0).sum(1)
        return (total / known.sum(1)) ** (1 / power)


def _lines(sheet: Sheet, panel: Panel, series: Series, styles: Styles) -> None:
    """A line a method, the median over its seeds, and their range.

    As in tables, a seed without a number is worse than all others: a line ends where half of the
    seeds have, and the range where the first has.
    """
    for method, (time, values) in series.items():
        colour, dash = styles[method]
        median = np.median(np.where(np.isfinite(values), values, np.inf), axis=0)
        sheet.line(panel.at(time, median), colour, dash=dash)
        if len(values) > 1:
            sheet.band(panel, time, values.min(0), values.max(0), colour)


def _mark_spinup(sheet: Sheet, panel: Panel, run: Scores) -> None:
    """A veil over the cycles that do not count."""
    spinup = min(run.spinup, len(run.seconds) - 1)
    if spinup > 0:
        ends = np.array([0.0, float(_time(run)[spinup])])
        left, right = panel.at(ends, [panel.y.low] * 2)[:, 0]
        top = panel.bottom + panel.height
        across, up = [left, right, right, left], [panel.bottom] * 2 + [top] * 2
        sheet.area(np.stack([across, up], -1), FAINT, 0.35)


WEIGHTS = {
    "ess": "N_eff",
    "unique_ancestors": "Unique ancestors",
    "max_weight": "Largest weight",
    "genealogy_depth": "Cycles back to one common ancestor",
    "alpha": "Tempering exponent alpha",
    "chi2": "Innovation chi² (1: as predicted)",
}


def weights(runs: Sequence[Scores]) -> Figure | None:
    """N_eff, ancestors, alpha and the consistency of innovations per cycle; None without any."""
    panels = {}
    for name, heading in WEIGHTS.items():
        lines = [(run, _diagnostic(run, name)) for run in runs]
        if series := _by_method(pair for pair in lines if np.isfinite(pair[1]).any()):
            panels[heading, ""] = series
    if not panels:
        return None
    return _figure(runs, panels, "Weights and innovations", min(2, len(panels)))


def _diagnostic(run: Scores, name: str) -> np.ndarray:
    """A diagnostic in every cycle; no values where the run has none."""
    if name == "chi2":
        return run.observations.chi2 if run.observations else np.zeros(0)
    return run.ensemble[name].values if name in run.ensemble else np.zeros(0)
