"""A figure of departures from observations by level: a row for each variable, a column a region."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from dabench.leaderboard.figures.monitoring import is_wide, monitored
from dabench.leaderboard.figures.panels import (
    Range,
    add_legend,
    cell_title,
    columns_of,
    label,
    legend_height,
    panels,
    set_range,
    tick_text,
)
from dabench.leaderboard.figures.style import DOTTED, LineStyle, Palette
from dabench.leaderboard.format import units
from dabench.leaderboard.methods import display_name
from dabench.leaderboard.monitoring import REGION_NAMES
from dabench.scores.record import GLOBAL, Scores

STAGES = {"rms": (), "analysis_rms": DOTTED}
"""Departures by level, and the dash of their lines: O-B is solid, O-A dotted."""

MOST, HEIGHT = 8, 1.6
"""Rows at most, and the height of a panel in inches."""


SCALES = {"kg kg**-1": (1e3, "g kg**-1")}
"""Units whose numbers are too small for an axis: what they are multiplied by, and the new units."""


class Field(NamedTuple):
    """What a group observes at several levels."""

    group: str
    variable: str
    units: str


class Line(NamedTuple):
    """One departure of one method by level."""

    region: str
    style: LineStyle
    numbers: Float[np.ndarray, "level"]
    levels: Float[np.ndarray, "level"]


def profiles(runs: Sequence[Scores], palette: Palette) -> Figure | None:
    """RMS of O-B and O-A by level; None where nothing is observed at several levels."""
    first = monitored(runs)
    styles = palette.styles(first)
    lines: dict[Field, list[Line]] = {}
    for method, run in first.items():
        for field, line in _lines(run, styles[method].colour):
            lines.setdefault(field, []).append(line)
    fields = [field for field, own in lines.items() if len(_levels(own)) > 1][:MOST]
    if not fields:
        return None
    regions = [r for r in REGION_NAMES if any(r == line.region for line in lines[fields[0]])]
    names = {display_name(method): LineStyle(styles[method].colour, ()) for method in first}
    count, columns = len(fields) * len(regions), columns_of(len(regions))
    figure, all_axes = panels(count, columns, above=legend_height(names), height=HEIGHT)
    add_legend(figure, "RMS by level, hPa: O−B (lines) and O−A (dots)", names)
    for i, axes in enumerate(all_axes):
        field, region = fields[i // len(regions)], regions[i % len(regions)]
        log = is_wide(np.concatenate([line.numbers for line in lines[field]]))
        unit = ", ".join(filter(None, (units(field.units), "log" if log else "")))
        heading = cell_title(field.variable, None) if i % columns == 0 else ""
        label(axes, palette, heading, unit=REGION_NAMES[region], x=unit)
        _draw(axes, lines[field], region, log=log)
    return figure


def _lines(run: Scores, colour: str) -> list[tuple[Field, Line]]:
    """The lines of a run, with what each is about."""
    rows = [] if run.observations is None else [*run.observations.groups, *run.observations.regions]
    points: dict[tuple[Field, str, str], list[tuple[float, float]]] = {}
    for row in rows:
        factor, unit = SCALES.get(row["units"], (1.0, row["units"]))
        field = Field(row["group"], row["variable"], unit)
        for stage in STAGES:
            if row["level"] is not None and row.get(stage) is not None:
                key = field, row.get("region", GLOBAL), stage
                points.setdefault(key, []).append((factor * row[stage], row["level"]))
    return [
        (field, Line(region, LineStyle(colour, STAGES[stage]), *np.array(_rising(pairs)).T))
        for (field, region, stage), pairs in points.items()
    ]


def _rising(pairs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return sorted(pairs, key=lambda pair: pair[1])


def _levels(lines: Sequence[Line]) -> Float[np.ndarray, "level"]:
    return np.unique(np.concatenate([line.levels for line in lines]))


def _draw(axes: Axes, lines: Sequence[Line], region: str, *, log: bool) -> None:
    """The lines of one region, on the axes that all regions share: pressure downwards."""
    set_range(axes, "x", Range.of(np.concatenate([n.numbers for n in lines]), log=log), 4)
    levels = _levels(lines)
    axes.set_yscale("log")
    axes.set_ylim(levels[-1] * 1.06, levels[0] / 1.06)
    ticks = _apart(levels[::-1])
    axes.yaxis.set_ticks(ticks, [tick_text(level) for level in ticks])
    axes.yaxis.set_minor_locator(NullLocator())
    for line in lines:
        if line.region == region:
            axes.plot(
                line.numbers,
                line.levels,
                color=line.style.colour,
                linestyle=line.style.pattern,
                lw=1.3,
            )


def _apart(levels: Sequence[float] | Float[np.ndarray, "level"]) -> list[float]:
    """Levels, from the ground, that are far enough from each other to be labelled."""
    ticks = [float(levels[0])]
    room = np.log(levels[0] / levels[-1]) / 8
    for level in map(float, levels[1:]):
        if np.log(ticks[-1] / level) > room:
            ticks.append(level)
    return ticks
