"""Figures of numbers against time, rank and wavenumber, from scores alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dabench.headlines import Cell, in_order, title, units
from dabench.plots.style import FAINT, INK, blank, colours, dashes, panels

Scores = Mapping[str, Any]

POINTS = 120
"""Longer series are averaged over blocks of cycles, to this many points."""

METRICS = {"rmse": "RMSE of the mean", "spread": "Spread", "crps": "CRPS"}


def metric(runs: Sequence[Scores], name: str, cells: Sequence[Cell], columns: int = 3) -> Figure:
    """One metric against time, a panel a cell, a line a method, a band over its seeds."""
    figure, axes = panels(-(-len(cells) // columns), min(columns, len(cells)))
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


def time_label(scores: Scores) -> str:
    return "days" if len(scores["regions"]) > 1 else "cycle"


def _time(scores: Scores) -> np.ndarray:
    if time_label(scores) == "cycle":
        return np.arange(len(scores["seconds"]))
    return (np.array(scores["seconds"]) - scores["seconds"][0]) / 86400


def _against_time(runs: Sequence[Scores], name: str, cell: Cell) -> pd.DataFrame:
    """Columns time, value, method, seed of one cell, the globe."""
    frames = [
        _frame(run, row["values"])
        for run in runs
        for row in run["series"]
        if (row["variable"], row["level"], row["metric"], row["region"]) == (*cell, name, "global")
    ]
    return pd.concat(frames, ignore_index=True) if frames else _frame(runs[0], [])


def _frame(run: Scores, values: Sequence[float | None]) -> pd.DataFrame:
    numbers, time = np.array(values, float), _time(run)[: len(values)]
    block = -(-len(numbers) // POINTS) if len(numbers) else 1
    if block > 1:
        whole = len(numbers) // block * block
        numbers = (numbers[:whole].reshape(-1, block) ** 2).mean(1) ** 0.5
        time = time[:whole].reshape(-1, block).mean(1)
    return pd.DataFrame({"time": time, "value": numbers}).assign(
        method=run["method"], seed=run["seed"]
    )


def _lines(axes: Axes, frame: pd.DataFrame, label: str) -> None:
    axes.set(xlabel=label, ylabel="")
    if frame.empty:
        return
    methods = in_order(frame["method"].unique())
    groups = frame.groupby(["method", "time"], sort=False)["value"]
    over = pd.DataFrame({k: groups.agg(k) for k in ("mean", "min", "max")}).reset_index()
    seeds = frame[["method", "seed"]].drop_duplicates()["method"].tolist()
    sns.lineplot(
        over,
        x="time",
        y="mean",
        hue="method",
        style="method",
        hue_order=methods,
        style_order=methods,
        palette=colours(methods),
        dashes=dashes(methods),
        estimator=None,
        ax=axes,
        legend=False,
    )
    for method in (m for m in methods if seeds.count(m) > 1):
        ends = over[over["method"] == method]
        tint = colours(methods)[method]
        axes.fill_between(ends["time"], ends["min"], ends["max"], color=tint, alpha=0.2, lw=0)
    values = frame["value"].to_numpy(float)
    low, high = np.quantile(values[values > 0], [0.02, 0.98]) if (values > 0).any() else (1, 1)
    if high > 8 * low:
        axes.set_yscale("log")
    axes.set(xlabel=label, ylabel="")  # seaborn names them too
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
        loc="outside upper left",
        ncols=min(len(names), 8),
        title=heading,
        title_fontproperties={"weight": "bold", "size": 10},
        alignment="left",
        handlelength=1.8,
        columnspacing=1.4,
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
        series = [(run, r["chi2" if key == "chi2" else "values"]) for run, r in rows if r]
        frames = [_frame(run, values) for run, values in series]
        if frames:
            found[heading] = pd.concat(frames, ignore_index=True)
    if not found:
        return None
    figure, axes = panels(-(-len(found) // 2), min(2, len(found)), width=4.5)
    for panel, (heading, frame) in zip(axes.flat, found.items(), strict=False):
        _lines(panel, frame, time_label(runs[0]))
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
    figure, axes = panels(len(methods), len(cells), width=1.9, height=1.25, share=True)
    for line, method in zip(axes, methods, strict=True):
        for panel, cell in zip(line, cells, strict=True):
            _bars(panel, by_method[method], cell, colours(methods)[method])
        line[0].set_ylabel(method)
    for panel, cell in zip(axes[0], cells, strict=True):
        panel.set_title(title(*cell), fontsize=8)
    figure.suptitle("Where the truth falls in the ensemble", x=0, ha="left", weight="bold", size=10)
    figure.supxlabel("PIT, 16 bins; flat: reliable, U: too narrow, dome: too wide", size=8.5)
    return figure


def _bars(axes: Axes, run: Scores, cell: Cell, colour: str) -> None:
    share = next((r["histogram"] for r in run["rank"] if (r["variable"], r["level"]) == cell), [])
    values = np.nan_to_num(np.array(share, float)) * len(share)
    axes.bar(np.arange(len(values)), values, width=1.0, color=colour, lw=0)
    axes.axhline(1, color=INK, lw=0.8)
    axes.set(xticks=[], yticks=[0, 1, 2, 3], ylim=(0, 3))


def spectra(runs: Sequence[Scores], cells: Sequence[Cell], columns: int = 3) -> Figure | None:
    """Zonal power of the truth, of members (lines) and of the error of the mean (dotted)."""
    runs = [run for run in runs if run["spectra"]]
    if not runs:
        return None
    figure, axes = panels(-(-len(cells) // columns), min(columns, len(cells)))
    methods = [run["method"] for run in runs]
    palette = colours(methods)
    for panel, cell in zip(axes.flat, cells, strict=False):
        for i, run in enumerate(runs):
            row = next((r for r in run["spectra"] if (r["variable"], r["level"]) == cell), {})
            _power(panel, row, palette[run["method"]], i == 0)
        panel.set_title(title(*cell))
        panel.set(xscale="log", yscale="log", xlabel="zonal wavenumber")
        panel.set_ylim(bottom=panel.get_ylim()[1] * 1e-7)
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
