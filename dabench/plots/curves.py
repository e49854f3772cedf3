"""Figures of numbers against time, rank and wavenumber, from scores alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dabench.headlines import Cell, in_order, title, units
from dabench.headlines import label as name_of
from dabench.plots.style import (
    FAINT,
    FULL_WIDTH,
    INK,
    blank,
    colours,
    dashes,
    logarithmic,
    panels,
)

Scores = Mapping[str, Any]
Series = dict[str, tuple[np.ndarray, np.ndarray]]
"""By method: times, and values (seed, time)."""

POINTS = 120
"""Longer series are averaged over blocks of cycles, to this many points."""

HEAD = 0.55
"""Room for a legend, inches."""

LEVELS = (100.0, 250.0, 850.0)
PROFILED = ("temperature", "geopotential", "v_component_of_wind", "specific_humidity")
"""What Savary, Rozet & Louppe (2025), arXiv 2509.18811, show in their figures 4 and 5."""

METRICS = {"rmse": "RMSE of the mean", "spread": "Spread", "crps": "CRPS"}


def metric(runs: Sequence[Scores], name: str, cells: Sequence[Cell], columns: int = 3) -> Figure:
    """One metric against time, a panel a cell, a line a method, a band over its seeds."""
    figure, axes = panels(-(-len(cells) // columns), min(columns, len(cells)), head=HEAD)
    for i, (panel, cell) in enumerate(zip(axes.flat, cells, strict=False)):
        _lines(panel, _against_time(runs, name, cell), time_label(runs[0]))
        panel.set_title(title(*cell))
        unit = units(runs[0]["variables"].get(cell[0], {}).get("units", ""))
        if i % columns == 0 or unit:
            panel.set_ylabel(unit)
        _mark_spinup(panel, runs[0])
    for panel in axes.flat[len(cells) :]:
        blank(panel)
    _legend(figure, [r["method"] for r in runs], METRICS[name])
    return figure


def profiles(variables: Mapping[str, Mapping[str, Any]]) -> list[Cell]:
    """The paper's upper-air cells that there are, a row a variable."""
    return [
        (name, level)
        for name in PROFILED
        for level in LEVELS
        if level in variables.get(name, {}).get("levels", ())
    ]


def time_label(scores: Scores) -> str:
    return "days" if len(scores["regions"]) > 1 else "cycle"


def _time(scores: Scores) -> np.ndarray:
    if time_label(scores) == "cycle":
        return np.arange(len(scores["seconds"]))
    return (np.array(scores["seconds"]) - scores["seconds"][0]) / 86400


def _against_time(runs: Sequence[Scores], name: str, cell: Cell) -> Series:
    """One cell of a metric, the globe."""
    return _by_method(
        (run, row["values"])
        for run in runs
        for row in run["series"]
        if (row["variable"], row["level"], row["metric"], row["region"]) == (*cell, name, "global")
    )


def _by_method(found: Iterable[tuple[Scores, Sequence[float | None]]]) -> Series:
    """Times and values (seed, time) of each method; a seed that ended early is NaN from there."""
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for run, values in found:
        rows.setdefault(run["method"], []).append(_thinned(run, values))
    series = {}
    for method in in_order(rows):
        time = max((t for t, _ in rows[method]), key=len)
        padded = np.full((len(rows[method]), len(time)), np.nan)
        for line, (_, values) in zip(padded, rows[method], strict=True):
            line[: len(values)] = values
        series[method] = time, padded
    return series


def _thinned(run: Scores, values: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of one run."""
    numbers, time = np.array(values, float), _time(run)[: len(values)]
    block = -(-len(numbers) // POINTS) if len(numbers) else 1
    if block > 1:
        whole = len(numbers) // block * block
        with np.errstate(over="ignore"):  # of what diverged
            numbers = (numbers[:whole].reshape(-1, block) ** 2).mean(1) ** 0.5
        time = time[:whole].reshape(-1, block).mean(1)
    return time, numbers


def _lines(axes: Axes, series: Series, label: str) -> None:
    """A line a method, the mean over the seeds that are known, and the range of several."""
    axes.set(xlabel=label, ylabel="")
    tints, patterns = colours(list(series)), dashes(list(series))
    for method, (time, values) in series.items():
        known = np.isfinite(values)
        mean = np.where(known, values, 0.0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
        pattern = {"dashes": patterns[method]} if patterns[method] else {}
        axes.plot(time, mean, color=tints[method], **pattern)
        if len(values) > 1:
            low, high = np.fmin.reduce(values), np.fmax.reduce(values)
            axes.fill_between(time, low, high, color=tints[method], alpha=0.2, lw=0)
    values = np.concatenate([v.ravel() for _, v in series.values()] or [np.ones(0)])
    low, high = np.quantile(values[values > 0], [0.02, 0.98]) if (values > 0).any() else (1, 1)
    if high > 8 * low:
        axes.set_yscale("log")
        logarithmic(axes.yaxis, float(np.log10(high / low)))
    axes.margins(x=0)


def _mark_spinup(axes: Axes, run: Scores) -> None:
    """A veil over the cycles that do not count."""
    spinup = min(run["spinup"], len(run["seconds"]) - 1)
    if spinup > 0:
        axes.axvspan(0, float(_time(run)[spinup]), color=FAINT, alpha=0.35, lw=0, zorder=0)


def _legend(figure: Figure, methods: Sequence[str], heading: str) -> None:
    names = in_order(set(methods))
    palette, dash = colours(names), dashes(names)
    handles = [
        Line2D([], [], color=palette[n], lw=2, dashes=dash[n] or (None, None), label=n)
        for n in names
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 1),
        ncols=min(len(names), 9),
        title=heading,
        title_fontproperties={"weight": "bold", "size": 10},
        alignment="left",
        handlelength=1.8,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


WEIGHTS: dict[str, tuple[str, Callable[[Scores], Any]]] = {
    "ess": ("N_eff", lambda s: s["ensemble"].get("ess")),
    "unique_ancestors": ("Unique ancestors", lambda s: s["ensemble"].get("unique_ancestors")),
    "max_weight": ("Largest weight", lambda s: s["ensemble"].get("max_weight")),
    "genealogy_depth": (
        "Cycles back to one common ancestor",
        lambda s: s["ensemble"].get("genealogy_depth"),
    ),
    "alpha": ("Tempering exponent alpha", lambda s: s["ensemble"].get("alpha")),
    "chi2": ("Innovation chi² (1: as predicted)", lambda s: s["observations"]),
}


def weights(runs: Sequence[Scores]) -> Figure | None:
    """N_eff, ancestors, alpha and the consistency of innovations per cycle; None without any."""
    found = {}
    for key, (heading, get) in WEIGHTS.items():
        rows = [(run, get(run)) for run in runs]
        name = "chi2" if key == "chi2" else "values"
        if series := _by_method((run, row[name]) for run, row in rows if row):
            found[heading] = series
    if not found:
        return None
    figure, axes = panels(-(-len(found) // 2), min(2, len(found)), width=4.5, head=HEAD)
    for panel, (heading, series) in zip(axes.flat, found.items(), strict=False):
        _lines(panel, series, time_label(runs[0]))
        panel.set_title(heading)
        _mark_spinup(panel, runs[0])
    for panel in axes.flat[len(found) :]:
        blank(panel)
    _legend(figure, [r["method"] for r in runs], "Weights and innovations")
    return figure


def ranks(runs: Sequence[Scores], cells: Sequence[Cell]) -> Figure | None:
    """Histograms of the randomised PIT: a row a method, a column a cell; flat is reliable."""
    by_method = {run["method"]: run for run in runs if run["rank"]}
    methods = in_order(by_method)
    if not methods:
        return None
    figure = Figure(figsize=(FULL_WIDTH, 0.75 * len(methods) + 0.75))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1.1, 1.14 * len(cells)), ylim=(len(methods) + 0.1, -0.9))
    axes.set_axis_off()
    for i, method in enumerate(methods):
        axes.text(-0.12, i + 0.5, method, ha="right", va="center", size=8.5)
        for j, cell in enumerate(cells):
            _bars(axes, by_method[method], cell, colours(methods)[method], 1.14 * j, i)
    for j, cell in enumerate(cells):
        axes.text(1.14 * j, -0.08, name_of(*cell), size=8, weight="bold")
    told = "Where the truth falls in the ensemble: PIT, 16 bins, line at 1"
    axes.text(-1.05, -0.6, told, weight="bold", size=10)
    axes.text(3.6, -0.6, "flat: reliable, U: too narrow, dome: too wide", size=8.5)
    return figure


def _bars(axes: Axes, run: Scores, cell: Cell, colour: str, left: float, row: int) -> None:
    """One histogram in the unit square at (left, row), of heights up to 3; all in one axes."""
    share = next((r["histogram"] for r in run["rank"] if (r["variable"], r["level"]) == cell), [])
    values = np.nan_to_num(np.array(share, float)) * len(share)
    base, scale = row + 0.94, 0.86 / 3
    if len(values):
        tops = np.repeat(base - scale * np.minimum(values, 3.0), 2)
        edges = left + np.repeat(np.arange(len(values) + 1), 2)[1:-1] / len(values)
        axes.fill_between(edges, base, tops, color=colour, lw=0)
    axes.plot([left, left + 1], [base, base], color=FAINT, lw=0.8)
    axes.plot([left, left + 1], [base - scale] * 2, color=INK, lw=0.8)


def spectra(runs: Sequence[Scores], cells: Sequence[Cell], columns: int = 3) -> Figure | None:
    """Zonal power of the truth, of members (lines) and of the error of the mean (dotted)."""
    runs = [run for run in runs if run["spectra"]]
    if not runs:
        return None
    figure, axes = panels(-(-len(cells) // columns), min(columns, len(cells)), head=HEAD)
    methods = [run["method"] for run in runs]
    palette = colours(methods)
    for panel, cell in zip(axes.flat, cells, strict=False):
        for i, run in enumerate(runs):
            row = next((r for r in run["spectra"] if (r["variable"], r["level"]) == cell), {})
            _power(panel, row, palette[run["method"]], i == 0)
        panel.set_title(title(*cell))
        panel.set(xscale="log", yscale="log", xlabel="zonal wavenumber")
        panel.set_ylim(bottom=panel.get_ylim()[1] * 1e-7)
        logarithmic(panel.xaxis, 1)
        logarithmic(panel.yaxis, 7)
    for panel in axes.flat[len(cells) :]:
        blank(panel)
    _legend(figure, methods, "Power: members (lines), error of the mean (dots), truth (black)")
    return figure


def _power(axes: Axes, row: Mapping[str, Any], colour: str, with_truth: bool) -> None:
    drawn = {"member": (colour, "-"), "error": (colour, ":")}
    if with_truth:
        drawn = {"truth": (INK, "-")} | drawn
    for kind, (tint, line) in drawn.items():
        power = np.array(row.get(kind, []), float)[1:]
        axes.plot(np.arange(1, len(power) + 1), power, line, color=tint, lw=1.3)
