"""Figures of numbers against time: metrics, weights and innovations in every cycle."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
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
from dabench.leaderboard.figures.style import LineStyle, Palette
from dabench.leaderboard.format import units
from dabench.leaderboard.methods import display_name, in_order
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.record import Cell, Scores, Variable

POINTS = 120
"""Longer series are averaged over blocks of cycles, to this many points."""

LEVELS = (100.0, 250.0, 850.0)
PROFILED = ("temperature", "geopotential", "v_component_of_wind", "specific_humidity")
"""What Savary, Rozet & Louppe (2025), arXiv:2509.18811, show in their figures 4 and 5."""

LOGARITHMIC = 8.0
"""An axis is logarithmic where its values differ by more than this factor."""


class Curves(NamedTuple):
    """What all seeds of one method did.

    Arguments:
        time: Days or cycles.
        values: A row for each seed; NaN after the end of a seed that stopped early.
    """

    time: Float[np.ndarray, "time"]
    values: Float[np.ndarray, "seed time"]


class Panel(NamedTuple):
    """The curves of all methods on one subject."""

    title: str
    unit: str
    curves: Mapping[str, Curves]


def metric(runs: Sequence[Scores], name: str, cells: Sequence[Cell], palette: Palette) -> Figure:
    """One metric against time: a panel for each cell, a line for each method, a band over seeds."""
    content = []
    for cell in cells:
        series = [(run, run.series(cell, name)) for run in runs]
        curves = _curves(series, root=BY_NAME[name].root)
        content.append(Panel(cell_title(*cell), units(runs[0].units(cell[0])), curves))
    log = any(_is_wide(panel.curves.values()) for panel in content)
    columns = columns_of(min(3, len(cells)))
    return _figure(runs, content, BY_NAME[name].curve, columns, palette, alike=log)


def profiles(variables: Mapping[str, Variable]) -> list[Cell]:
    """The paper's cells of the upper air that the state has, in rows of one variable."""
    return [
        (name, level)
        for name in PROFILED
        for level in LEVELS
        if name in variables and level in variables[name].levels
    ]


def _diagnostic(name: str) -> Callable[[Scores], np.ndarray]:
    return lambda run: run.ensemble[name].values if name in run.ensemble else np.zeros(0)


def _chi2(run: Scores) -> np.ndarray:
    return run.observations.chi2 if run.observations else np.zeros(0)


WEIGHTS: dict[str, Callable[[Scores], np.ndarray]] = {
    "Effective sample size N_eff": _diagnostic("ess"),
    "Members with children": _diagnostic("unique_ancestors"),
    "Largest weight": _diagnostic("max_weight"),
    "Cycles back to one common ancestor": _diagnostic("genealogy_depth"),
    "Tempering exponent alpha": _diagnostic("alpha"),
    "chi² of the innovations (1: as predicted)": _chi2,
}


def weights(runs: Sequence[Scores], palette: Palette) -> Figure | None:
    """Weights, ancestors and innovations in every cycle; None where no method has any."""
    content = []
    for heading, series_of in WEIGHTS.items():
        series = [(run, series_of(run)) for run in runs]
        if curves := _curves(pair for pair in series if np.isfinite(pair[1]).any()):
            content.append(Panel(heading, "", curves))
    if not content:
        return None
    columns = 1 if is_narrow() else min(2, len(content))
    return _figure(runs, content, "Weights and innovations", columns, palette)


def _figure(
    runs: Sequence[Scores],
    content: Sequence[Panel],
    heading: str,
    columns: int,
    palette: Palette,
    alike: bool | None = None,
) -> Figure:
    """A figure of panels; its legend has the methods that have a line.

    Arguments:
        alike: Whether all axes of values are logarithmic; where None, each as its values are.
    """
    styles = palette.styles(run.method for run in runs)
    drawn = {
        method
        for panel in content
        for method, curves in panel.curves.items()
        if np.isfinite(curves.values).any()
    }
    names = {display_name(m): style for m, style in styles.items() if m in drawn}
    figure, all_axes = panels(len(content), columns, above=legend_height(names))
    add_legend(figure, heading, names)
    for i, (axes, panel) in enumerate(zip(all_axes, content, strict=True)):
        x = time_label(runs[0]) if i + columns >= len(content) else ""
        log = _is_wide(panel.curves.values()) if alike is None else alike
        unit = ", ".join(filter(None, (panel.unit, "log" if log else "")))
        label(axes, palette, panel.title, unit=unit, x=x)
        set_range(axes, "x", _time_range(runs), 6)
        set_range(axes, "y", Range.of(_values(panel.curves.values()), log=log), 5)
        mark_spinup(axes, runs[0], palette)
        for method, curves in panel.curves.items():
            _draw(axes, curves, styles[method])
    return figure


def _draw(axes: Axes, curves: Curves, style: LineStyle) -> None:
    """The median over the seeds as a line, and their range as a band.

    As in tables, a seed without a number is worse than all others: the line ends where half of the
    seeds have ended, and the band where the first has.
    """
    time, values = curves
    ranked = np.where(np.isfinite(values), values, np.inf)
    median = np.median(ranked, axis=0)
    median = np.where(np.isfinite(median), median, np.nan)
    axes.plot(time, median, color=style.colour, linestyle=style.pattern, zorder=3)
    if len(values) > 1:
        low, high = values.min(0), values.max(0)
        axes.fill_between(time, low, high, color=style.colour, alpha=0.2, lw=0, zorder=2)


def mark_spinup(axes: Axes, run: Scores, palette: Palette) -> None:
    """Shade the cycles that are not scored."""
    spinup = min(run.spinup, len(run.seconds) - 1)
    if spinup > 0:
        axes.axvspan(0, float(_time(run)[spinup]), color=palette.line, alpha=0.35, lw=0, zorder=0)


def _time_range(runs: Sequence[Scores]) -> Range:
    ends = [float(_time(run)[-1]) for run in runs if len(run.seconds) > 1]
    return Range(0.0, max(ends, default=1.0))


def _values(methods: Iterable[Curves]) -> Float[np.ndarray, "value"]:
    return np.concatenate([curves.values.ravel() for curves in methods] or [np.zeros(0)])


def _is_wide(methods: Iterable[Curves]) -> bool:
    """Whether values are so different that their axis is logarithmic."""
    values = _values(methods)
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = np.quantile(positive, [0.02, 0.98]) if positive.size else (1.0, 1.0)
    return bool(high > LOGARITHMIC * low)


def time_label(scores: Scores) -> str:
    """What the time of a run is counted in."""
    return "days" if scores.on_sphere else "cycle"


def _time(scores: Scores) -> np.ndarray:
    if scores.on_sphere:
        return (scores.seconds - scores.seconds[0]) / 86400
    return np.arange(len(scores.seconds), dtype=float)


def _curves(
    series: Iterable[tuple[Scores, np.ndarray]], *, root: bool = False
) -> dict[str, Curves]:
    """Curves of every method from the series of all runs that have one."""
    lines: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for run, values in series:
        if len(values):
            lines.setdefault(run.method, []).append(thinned(run, values, root=root))
    return {method: _side_by_side(lines[method]) for method in in_order(lines)}


def _side_by_side(lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> Curves:
    time = max((time for time, _ in lines), key=len)
    values = np.full((len(lines), len(time)), np.nan)
    for row, (_, line) in zip(values, lines, strict=True):
        row[: len(line)] = line
    return Curves(time, values)


def thinned(
    run: Scores, values: np.ndarray, *, root: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of one run, averaged over blocks of cycles.

    Arguments:
        root: Whether the values are roots, so that their squares are averaged.
    """
    time = _time(run)[: len(values)]
    block = -(-len(values) // POINTS)
    if block <= 1:
        return time, values
    whole = len(values) // block * block
    means = _means(values[:whole].reshape(-1, block), 2 if root else 1)
    return time[:whole].reshape(-1, block).mean(1), means


def _means(blocks: Float[np.ndarray, "block cycle"], power: int) -> Float[np.ndarray, "block"]:
    """Mean of the powers of the known values in each block, its root; NaN where none is known."""
    finite = np.isfinite(blocks)
    with np.errstate(over="ignore", invalid="ignore"):  # values that diverged; no values
        total = np.where(finite, blocks**power, 0.0).sum(1)
        return (total / finite.sum(1)) ** (1 / power)
