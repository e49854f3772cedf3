"""Figures of how runs fit their observations in every cycle: counts of values, departures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.core.quality import CHECKS
from dabench.leaderboard.figures.curves import LOGARITHMIC, mark_spinup, thinned, time_label
from dabench.leaderboard.figures.panels import (
    Range,
    add_legend,
    columns_of,
    is_narrow,
    label,
    legend_height,
    panels,
    set_range,
)
from dabench.leaderboard.figures.style import DOTTED, LineStyle, Palette
from dabench.leaderboard.methods import display_name, first_of_each
from dabench.scores.record import Scores

STAGES = {"background_rms": (), "analysis_rms": DOTTED}
"""Departures by cycle, and the dash of their lines: O-B is solid, O-A dotted."""

PRESENT = "values that are there"


def monitored(runs: Iterable[Scores]) -> dict[str, Scores]:
    """The first run of each method that says how it fits its observations, by method."""
    return first_of_each(run for run in runs if run.observations and run.observations.cycles)


def counts(runs: Sequence[Scores], palette: Palette) -> Figure | None:
    """Values that are there and those that checks reject, by cycle, a panel for each group.

    None where all values are there in every cycle, and nothing was rejected.
    """
    first = monitored(runs)
    groups = _groups(first.values())
    lines = {m: {g: rejected(run, g) for g in groups} for m, run in first.items()}
    lines = {m: own for m, own in lines.items() if any(np.nansum(v) > 0 for v in own.values())}
    if not first or not (lines or _has_gaps(first, groups)):
        return None
    styles = palette.styles(first)
    names = {PRESENT: LineStyle(palette.soft, ())}
    names |= {f"{display_name(m)}: rejected": LineStyle(styles[m].colour, ()) for m in lines}
    columns = columns_of(min(3, len(groups)))
    figure, all_axes = panels(len(groups), columns, above=legend_height(names))
    add_legend(figure, "Values by cycle; the line on top is the network", names)
    run = next(iter(first.values()))
    for axes, (group, count) in zip(all_axes, groups.items(), strict=True):
        _set_time(axes, run, palette, group)
        time, values = thinned(run, present(run, group))
        axes.bar(time, values, 0.8 * (time[1] - time[0]), color=palette.soft, alpha=0.5, lw=0)
        axes.axhline(count, color=palette.ink, lw=0.8)
        for method, own in lines.items():
            axes.plot(*thinned(first[method], own[group]), color=styles[method].colour, lw=1.3)
        set_range(axes, "y", Range(0.0, 1.08 * count), 4)
    return figure


def departures(runs: Sequence[Scores], palette: Palette) -> Figure | None:
    """O-B and O-A by cycle over the errors assumed, a panel for each group; None without any."""
    first = monitored(runs)
    groups = _groups(first.values())
    if not groups:
        return None
    styles = palette.styles(first)
    names = {display_name(method): LineStyle(styles[method].colour, ()) for method in first}
    columns = columns_of(min(3, len(groups)))
    figure, all_axes = panels(len(groups), columns, above=legend_height(names))
    add_legend(figure, "RMS over error std by cycle: O−B (lines) and O−A (dots)", names)
    for axes, group in zip(all_axes, groups, strict=True):
        lines = [
            (LineStyle(styles[method].colour, dash), thinned(run, of_cycles(run, group, stage)))
            for method, run in first.items()
            for stage, dash in STAGES.items()
        ]
        values = np.concatenate([values for _, (_, values) in lines])
        log = is_wide(values)
        _set_time(axes, next(iter(first.values())), palette, group, "log" if log else "")
        set_range(axes, "y", Range.of(values, log=log), 5)
        for style, line in lines:
            _draw(axes, line, style)
    return figure


def _draw(axes: Axes, line: tuple[np.ndarray, np.ndarray], style: LineStyle) -> None:
    """A line from one cycle with observations to the next, with points where there are gaps."""
    time, values = line
    there = np.isfinite(values)
    gaps = not there[1:].all()
    look = {"marker": "o", "markersize": 2.5} if gaps else {}
    axes.plot(
        time[there],
        values[there],
        color=style.colour,
        linestyle=style.pattern,
        lw=1.3,
        zorder=3,
        **look,
    )


def is_wide(values: Float[np.ndarray, "value"]) -> bool:
    """Whether values differ so much that their axis is logarithmic."""
    positive = values[np.isfinite(values) & (values > 0)]
    return bool(positive.size and positive.max() > LOGARITHMIC * positive.min())


def of_cycles(run: Scores, group: str, name: str) -> Float[np.ndarray, "cycle"]:
    """A number of a group in every cycle; NaN where there is none."""
    for row in _cycles(run):
        if row["group"] == group and name in row:
            return row[name]
    return np.full(len(run.seconds), np.nan)


def rejected(run: Scores, group: str) -> Float[np.ndarray, "cycle"]:
    """Values of a group that any check rejects; zero where nothing is checked."""
    return np.nansum([of_cycles(run, group, check) for check in CHECKS], axis=0)


def present(run: Scores, group: str) -> Float[np.ndarray, "cycle"]:
    """Values of a group that are there, used or not; NaN in the initial state."""
    return of_cycles(run, group, "used") + rejected(run, group)


def _has_gaps(first: Mapping[str, Scores], groups: Mapping[str, int]) -> bool:
    run = next(iter(first.values()))
    return any(np.any(present(run, group)[1:] < count) for group, count in groups.items())


def _groups(runs: Iterable[Scores]) -> dict[str, int]:
    """Number of observations in each group."""
    return {row["group"]: row["count"] for run in runs for row in _cycles(run)}


def _cycles(run: Scores) -> Sequence[Mapping[str, Any]]:
    return run.observations.cycles if run.observations else ()


def _set_time(axes: Axes, run: Scores, palette: Palette, heading: str, unit: str = "") -> None:
    """Title, time axis and the shade of the cycles that are not scored.

    Beside the names of groups narrow panels have no room for what their numbers are.
    """
    x = time_label(run)
    if unit and is_narrow():
        x, unit = f"{x}; numbers {unit}", ""
    label(axes, palette, heading, unit=unit, x=x)
    time, _ = thinned(run, np.zeros(len(run.seconds)))
    half = (time[1] - time[0]) / 2
    set_range(axes, "x", Range(0.0, float(time[-1]) + half), 6)
    mark_spinup(axes, run, palette)
