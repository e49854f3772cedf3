"""The members of each method at some stations, as densities."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from dabench.leaderboard.figures.maps import has_reached
from dabench.leaderboard.figures.panels import (
    SMALL,
    Range,
    columns_of,
    new_figure,
    place,
    set_range,
    text_width,
    width,
    write,
    write_heading,
)
from dabench.leaderboard.figures.style import DASHED, LineStyle, Palette
from dabench.leaderboard.format import day, title, units
from dabench.leaderboard.methods import display_name
from dabench.scores.record import Scores

ROW, HEAD, ABOVE, BELOW = 0.34, 0.4, 0.34, 0.26
"""Heights of a method's row, and of the room above all panels, above and below one; inches."""
WIDEST = 2.4
"""Panels are this wide, names included, at least, inches."""
HIGH = 0.84
"""Height of a density as a share of its row."""
POINTS = 120
"""Points of a curve."""

Point = Mapping[str, Any]
Members = Float[np.ndarray, "member"]


def density(first: Mapping[str, Scores], palette: Palette) -> Figure | None:
    """Density of the members at every station, a row for each method.

    A line shows the truth, and a dashed one what was observed. Each density is as high as its row,
    so that its width shows how sharp the ensemble is; drawn with equal areas one would be a needle
    and another flat.

    Arguments:
        first: Runs whose pictures hold points, by method.

    Returns: The figure; None where no method has whole members at any station.
    """
    run = next(iter(first.values()))
    stations = [points for points in _stations(first) if points]
    if not stations:
        return None
    methods = [method for method in first if any(method in points for points in stations)]
    names = [display_name(method) for method in methods]
    left = 0.2 + max(text_width(name, SMALL) for name in names)
    columns = min(len(stations), columns_of(max(1, int(width() / WIDEST))))
    wide, tall = (width() - left) / columns, ROW * len(methods)
    rows = -(-len(stations) // columns)
    figure = new_figure(HEAD + rows * (ABOVE + tall + BELOW))
    _explain(figure, run, next(iter(stations[0].values())), palette)
    for i, points in enumerate(stations):
        row, column = divmod(i, columns)
        bottom = (rows - 1 - row) * (ABOVE + tall + BELOW) + BELOW
        axes = place(figure, left + column * wide, bottom, wide - 0.16, tall)
        _station(axes, points, methods, palette)
        axes.set_yticks([])
        if column == 0:
            heights = [len(methods) - 0.7 - i for i in range(len(methods))]
            axes.set_yticks(heights, names, fontsize=SMALL)
    return figure


def _stations(first: Mapping[str, Scores]) -> Iterable[dict[str, Point]]:
    """The points of all methods that have whole members there, station by station."""
    own = {method: _reached(run) for method, run in first.items()}
    for i in range(max(map(len, own.values()))):
        points = {method: points[i] for method, points in own.items() if i < len(points)}
        yield {m: p for m, p in points.items() if np.isfinite(np.array(p["members"], float)).all()}


def _reached(run: Scores) -> list[Point]:
    """The points of cycles that a run has reached."""
    pictures = run.pictures or {"points": []}
    return [point for point in pictures["points"] if has_reached(run, point)]


def _explain(figure: Figure, run: Scores, point: Point, palette: Palette) -> None:
    """What the figure is about, and what its lines mean."""
    unit = units(run.units(point["variable"]))
    what = f"{title(point['variable'], point['level'])}, day {day(run, point['cycle'])}"
    write_heading(figure, 0.12, f"{what}, {unit}" if unit else what)
    lines = "line: truth; dashes: observed; ticks: members"
    write(figure, 0.12, 0.37, lines, fontsize=SMALL, color=palette.soft)


def _station(
    axes: Axes, points: Mapping[str, Point], methods: Sequence[str], palette: Palette
) -> None:
    """The densities of all methods at one station."""
    styles, station = palette.styles(methods), next(iter(points.values()))
    members = {method: np.array(point["members"], float) for method, point in points.items()}
    marks = [station["truth"], station["observed"]]
    everything = np.concatenate([*members.values(), [m for m in marks if m is not None]])
    ends = Range.of(everything, room=0.12)
    axes.set_ylim(0, len(methods))
    for method, values in members.items():
        _draw(axes, len(methods) - 1 - methods.index(method), values, ends, styles[method])
    axes.axvline(station["truth"], color=palette.ink, lw=1.1, zorder=5)
    if station["observed"] is not None:
        look = {"color": palette.ink, "lw": 1.1, "linestyle": (0, DASHED), "zorder": 5}
        axes.axvline(station["observed"], **look)
    set_range(axes, "x", ends, 4)
    axes.grid(False)
    axes.spines["left"].set_visible(False)
    axes.set_title(_place(station), loc="left", fontsize=SMALL)


def _draw(axes: Axes, row: int, members: Members, ends: Range, style: LineStyle) -> None:
    """One density in its row, with a tick for each member."""
    ticks = np.full_like(members, float(row))
    axes.vlines(members, ticks, ticks + 0.2, color=style.colour, lw=0.7, zorder=4)
    if len(members) < 2 or np.ptp(members) < 1e-9 * abs(members).max():
        return
    x = np.linspace(ends.low, ends.high, POINTS)
    kernel = gaussian_kde(members)
    x = np.union1d(x, members.mean() + members.std() * np.linspace(-4, 4, POINTS))
    x = x[(x >= ends.low) & (x <= ends.high)]
    heights = kernel(x)
    top = row + HIGH * heights / heights.max()
    axes.fill_between(x, row, top, color=style.colour, alpha=0.55, lw=0, zorder=3)


def _place(point: Point) -> str:
    """Where a station is: 50° N, 5° E."""
    latitude, longitude = point["latitude"], (point["longitude"] + 180) % 360 - 180
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):g}° {north}, {abs(longitude):g}° {east}"
