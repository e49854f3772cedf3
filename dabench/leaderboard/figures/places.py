"""Figures that show places: the network and maps; from `pictures`."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures.density import density
from dabench.leaderboard.figures.labels import LARGE, SMALL, Label, Labels
from dabench.leaderboard.figures.style import FULL_WIDTH, INK, colours
from dabench.leaderboard.format import label as name_of
from dabench.leaderboard.format import title, units
from dabench.leaderboard.methods import in_order
from dabench.leaderboard.thumbnails import unpacked
from dabench.scores.record import Cell, Scores

Limits = tuple[float, float]

SYMMETRIC = ("wind", "vorticity", "divergence", "velocity")
"""Parts of names of variables that are drawn about zero."""

BORROWED = ("fa_apf", "letkf", "oi", "enkf", "bootstrap", "guided")
"""Methods whose colours groups of observations have."""

MARKERS = "os^Dv*"
MANY = 300
"""More marks than this are drawn as pixels."""
MOST = 361
"""Longitudes or latitudes of a grid; further ones are not drawn."""
WRAPPED = 88
"""Letters in a line of the legend."""
COLUMNS = 4
"""Maps in a row."""


def of_places(runs: Sequence[Scores]) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of what the first seeds of methods keep of their fields."""
    kept = {run.method: run for run in reversed(runs) if run.pictures}
    kept = {method: kept[method] for method in in_order(kept)}
    groups = next((_pictures(run)["network"] for run in kept.values()), None)
    if groups:
        yield "network", network(groups)
    whole = {m: run for m, run in kept.items() if _pictures(run)["fields"]}
    for cell, cycle in _shown(whole):
        suffix = "" if cell[1] is None else f"{cell[1]:g}"
        yield f"map-{cell[0]}{suffix}-cycle{cycle}", maps(whole, cell, cycle)
    points = {m: run for m, run in whole.items() if _reached(run, _pictures(run)["point"])}
    if points:
        yield "density", density(points)


def _pictures(run: Scores) -> Mapping[str, Any]:
    """Network, maps and members that a result keeps of a run."""
    return run.pictures or {}


def _shown(kept: Mapping[str, Scores]) -> list[tuple[Cell, int]]:
    """Variables and cycles of all maps, in the order in which the first method has them."""
    rows = (row for run in kept.values() for row in _maps(run))
    return list({((r["variable"], r["level"]), r["cycle"]): None for r in rows})


def _maps(run: Scores) -> list[Mapping[str, Any]]:
    return [row for row in _pictures(run)["fields"]["maps"] if _reached(run, row)]


def _reached(run: Scores, shown: Mapping[str, Any] | None) -> bool:
    """Whether a picture is of one of the run's cycles."""
    return shown is not None and 0 <= shown["cycle"] < len(run.seconds)


def network(groups: Sequence[Mapping[str, Any]]) -> Figure:
    """Where each group observes; hollow what it withholds."""
    sphere = any(group.get("latitude") for group in groups)
    texts = [fill(_told(group), WRAPPED) for group in groups]
    head = 0.1 + sum(0.07 + 0.15 * (1 + text.count("\n")) for text in texts)
    below, tall = (0.3, 2.95) if sphere else (0.45, 0.55)
    figure = Figure(figsize=(6.4, high := head + below + tall + 0.05))
    axes = figure.add_axes((0.08, below / high, 0.9, tall / high))
    for i, (group, text) in enumerate(zip(groups, texts, strict=True)):
        x, y = _spots(group)
        tint = colours([BORROWED[i % len(BORROWED)]]).popitem()[1]
        size = float(np.clip(4000 / max(1, len(x)), 3, 30))
        face = "none" if group["withheld"] else tint
        marks = {"marker": MARKERS[i % 6], "facecolor": face, "edgecolor": tint, "lw": 0.8}
        many = len(x) > MANY
        axes.scatter(x, y, size, label=text, zorder=3, rasterized=many, **marks)
    if sphere:
        axes.set(xlim=(0, 360), ylim=(-90, 90), xticks=range(0, 361, 60), yticks=range(-60, 61, 30))
        axes.xaxis.set_major_formatter("{x:.0f}°")
        axes.yaxis.set_major_formatter("{x:.0f}°")
        axes.grid(True, axis="both")
    else:
        axes.set(yticks=[], xlabel="site")
        axes.grid(False)
    figure.legend(loc="upper left", markerscale=1.5, handletextpad=0.2, borderaxespad=0.2)
    return figure


def _told(group: Mapping[str, Any]) -> str:
    what = ", ".join(map(name_of, group["variables"]))
    told = f"{group['group']}: {what}; {group['places']} places, {group['values']} values a cycle"
    return "withheld for verification, " * group["withheld"] + told


def _spots(group: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Across and up of all places of a group."""
    if not group.get("latitude"):
        x = np.array(group["site"], float)
        return x, np.zeros(len(x))
    x, y = np.array(group["longitude"], float) % 360, np.array(group["latitude"], float)
    if group["grid"]:
        x, y = (a.ravel() for a in np.meshgrid(x[:MOST], y[:MOST]))
    n = min(len(x), len(y))
    return x[:n], y[:n]


def maps(kept: Mapping[str, Scores], cell: Cell, cycle: int) -> Figure:
    """Truth, and of each method the mean and its error, after one cycle."""
    fields = {m: found for m, run in kept.items() if (found := _field(run, cell, cycle))}
    first, (truth, _) = next(iter(fields.items()))
    run = kept[first]
    limits, palette = _range(cell[0], truth)
    errors = np.concatenate([np.abs(e[np.isfinite(e)]) for _, e in fields.values()])
    bound = float(np.quantile(errors, 0.99)) if len(errors) else 0.0
    about_zero = (-(bound or 1.0), bound or 1.0)
    sheet = _Mosaic(truth.shape, 1 + -(-len(fields) // (COLUMNS // 2)))
    unit = units(run.units(cell[0]))
    sheet.map(0, truth, palette, limits, "truth")
    sheet.scale(1, palette, limits, f"truth and means, {unit}")
    sheet.scale(2, "PuOr_r", about_zero, f"errors of the means, {unit}")
    for i, (method, (true, error)) in enumerate(fields.items()):
        at = COLUMNS + 2 * i
        sheet.map(at, true + error, palette, limits, method)
        sheet.map(at + 1, error, "PuOr_r", about_zero, "its error")
    day = (run.seconds[cycle] - run.seconds[0]) / 86400
    return sheet.figure(f"{title(*cell)}, day {day:.3g}")


class _Mosaic:
    """Maps of one shape as one picture, a grid point a pixel, `COLUMNS` in a row."""

    def __init__(self, shape: tuple[int, ...], rows: int):
        self.high, self.wide = shape
        self.step = round(1.08 * self.wide), round(1.39 * self.high)
        size = rows * self.step[1] + self.high // 4, COLUMNS * self.step[0], 4
        self.pixels = np.zeros(size, np.uint8)
        self.labels = Labels()
        self.lines: list[tuple[float, float]] = []

    def corner(self, at: int) -> tuple[int, int]:
        """Left and top of tile number `at`."""
        top = self.high // 2 + at // COLUMNS * self.step[1]
        return at % COLUMNS * self.step[0] + self.wide // 25, top

    def map(self, at: int, values: np.ndarray, palette: str, limits: Limits, name: str) -> None:
        """A field, north up; what is missing is grey. A line every 30 and 60 degrees."""
        (x, y), nan = self.corner(at), (np.nan, np.nan)
        self._text(x, y - 0.05 * self.high, name, bold=at % 2 == 0)
        self.pixels[y : y + self.high, x : x + self.wide] = _coloured(values, palette, limits)
        for share in np.linspace(0, 1, 7):
            across, down = x + share * self.wide, y + share * self.high
            self.lines += [(across, y), (across, y + self.high), nan]
            self.lines += [(x, down), (x + self.wide, down), nan]

    def scale(self, at: int, palette: str, limits: Limits, label: str) -> None:
        """What the colours mean."""
        x, y = self.corner(at)
        top, bottom = (y + round(share * self.high) for share in (0.42, 0.53))
        ramp = np.linspace(*limits, self.wide)[None]
        self.pixels[top:bottom, x : x + self.wide] = _coloured(ramp, palette, limits)
        self._text(x, y + 0.33 * self.high, label.rstrip(", "))
        for share, side in ((0.0, "left"), (0.5, "center"), (1.0, "right")):
            value = limits[0] + share * (limits[1] - limits[0])
            text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
            place = x + share * self.wide, y + 0.72 * self.high
            self._text(*place, text.replace("-", "−"), side=side)

    def _text(self, x: float, y: float, text: str, size: float = SMALL, **more: Any) -> None:
        """At a place in pixels; further arguments as of `Label`."""
        self.labels.all.append(Label(x, y, text, size, **more))

    def figure(self, heading: str) -> Figure:
        high, wide = self.pixels.shape[:2]
        figure = Figure(figsize=(FULL_WIDTH, 0.9 * FULL_WIDTH * high / wide))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        extent = (0, wide, high, 0)
        axes.imshow(self.pixels, interpolation="none", extent=extent, aspect="auto")
        axes.plot(*zip(*self.lines, strict=True), color=INK, alpha=0.18, lw=0.4)
        axes.set(xlim=(0, wide), ylim=(high, 0))
        self._text(self.wide // 25, 0.25 * self.high, heading, LARGE, bold=True)
        self.labels.set_transform(axes.transData)
        axes.add_artist(self.labels)
        return figure


def _coloured(values: np.ndarray, palette: str, limits: Limits) -> np.ndarray:
    """Red, green, blue and opacity as bytes."""
    colour = mpl.colormaps[palette].with_extremes(bad="0.6")
    share = (values - limits[0]) / ((limits[1] - limits[0]) or 1.0)
    return colour(np.ma.masked_invalid(np.clip(share, 0, 1)), bytes=True)


def _field(run: Scores, cell: Cell, cycle: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Truth and error of the mean, north up."""
    fields = _pictures(run)["fields"]
    shape = len(fields["latitude"]), len(fields["longitude"])
    for row in _maps(run):
        if ((row["variable"], row["level"]), row["cycle"]) == (cell, cycle):
            north = -1 if fields["latitude"][0] < fields["latitude"][-1] else 1
            both = (unpacked(row[kind], shape)[::north] for kind in ("truth", "error"))
            return next(both), next(both)
    return None


def _range(variable: str, values: np.ndarray) -> tuple[Limits, str]:
    low, high = (float(q) for q in np.nanquantile(values, [0.005, 0.995]))
    if any(part in variable for part in SYMMETRIC):
        bound = max(-low, high)
        return (-bound, bound), "RdBu_r"
    return (low, high), "viridis" if "temperature" not in variable else "inferno"
