"""Figures that show places: the network, maps, the members at one point; from `pictures`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.headlines import Cell, in_order, title, units
from dabench.pictures import unpacked
from dabench.plots.style import FULL_WIDTH, INK, colours

Scores = Mapping[str, Any]
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
ACROSS, DOWN, COLUMNS = 390.0, 250.0, 4
"""From one map to the next, in degrees; maps in a row."""


def of_places(runs: Sequence[Scores]) -> Iterator[tuple[str, Figure]]:
    """(name, figure) of what the first seeds of methods keep of their fields."""
    kept = {run["method"]: run for run in reversed(runs) if run.get("pictures")}
    kept = {method: kept[method] for method in in_order(kept)}
    groups = next((run["pictures"]["network"] for run in kept.values()), None)
    if groups:
        yield "network", network(groups)
    whole = {m: run for m, run in kept.items() if run["pictures"]["fields"]}
    for cell, cycle in _shown(whole):
        suffix = "" if cell[1] is None else f"{cell[1]:g}"
        yield f"map-{cell[0]}{suffix}-cycle{cycle}", maps(whole, cell, cycle)
    points = {m: run for m, run in whole.items() if run["pictures"]["point"]}
    if points:
        yield "density", density(points)


def _shown(kept: Mapping[str, Scores]) -> list[tuple[Cell, int]]:
    """Variables and cycles of all maps, in the order in which the first method has them."""
    rows = (row for run in kept.values() for row in run["pictures"]["fields"]["maps"])
    return list({((r["variable"], r["level"]), r["cycle"]): None for r in rows})


def network(groups: Sequence[Mapping[str, Any]]) -> Figure:
    """Where each group observes; hollow what it withholds."""
    sphere = any(group.get("latitude") for group in groups)
    head = 0.22 * len(groups) + 0.1
    figure = Figure(figsize=(6.4, head + (3.3 if sphere else 0.9)))
    high = figure.get_figheight()
    axes = figure.add_axes((0.08, 0.3 / high, 0.9, (high - head - 0.35) / high))
    for i, group in enumerate(groups):
        x, y = _spots(group)
        tint = colours([BORROWED[i % len(BORROWED)]]).popitem()[1]
        size = float(np.clip(4000 / max(1, len(x)), 3, 30))
        face = "none" if group["withheld"] else tint
        marks = {"marker": MARKERS[i % 6], "facecolor": face, "edgecolor": tint, "lw": 0.8}
        many = len(x) > MANY
        axes.scatter(x, y, size, label=_told(group), zorder=3, rasterized=many, **marks)
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
    what = ", ".join(v.replace("_", " ") for v in group["variables"])
    told = f"{group['group']}: {what}; {group['places']} places, {group['values']} values a cycle"
    return told + ", withheld for verification" * group["withheld"]


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
    """Truth, and of each method the mean and its error, after one cycle; all in one axes."""
    fields = {m: found for m, run in kept.items() if (found := _field(run, cell, cycle))}
    run, truth = next(iter(kept.values())), next(iter(fields.values()))[0]
    limits, palette = _range(cell[0], truth)
    errors = np.concatenate([np.abs(e[np.isfinite(e)]) for _, e in fields.values()])
    bound = float(np.quantile(errors, 0.99)) if len(errors) else 0.0
    about_zero = (-(bound or 1.0), bound or 1.0)
    rows = 1 + -(-len(fields) // (COLUMNS // 2))
    axes = _tiles(rows)
    day = (run["seconds"][cycle] - run["seconds"][0]) / 86400
    axes.text(0, -40, f"{title(*cell)}, day {day:.3g}", weight="bold", size=10)
    unit = units(run["variables"].get(cell[0], {}).get("units", ""))
    _map(axes, 0, truth, palette, limits, "truth")
    _scale(axes, 1, palette, limits, f"truth and means, {unit}")
    _scale(axes, 2, "PuOr_r", about_zero, f"errors of the means, {unit}")
    for i, (method, (true, error)) in enumerate(fields.items()):
        at = COLUMNS + 2 * i
        _map(axes, at, true + error, palette, limits, method)
        _map(axes, at + 1, error, "PuOr_r", about_zero, "its error")
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    return figure


def _tiles(rows: int) -> Axes:
    """Axes in degrees, down from the top, with room for rows of maps and a heading."""
    wide, high = COLUMNS * ACROSS, rows * DOWN + 40
    figure = Figure(figsize=(FULL_WIDTH, FULL_WIDTH * high / wide))
    figure.suppressComposite = True  # each field is as small as it is
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(-15, wide - 15), ylim=(high - 85, -85), autoscale_on=False, aspect="auto")
    return axes


def _corner(at: int) -> tuple[float, float]:
    return at % COLUMNS * ACROSS, at // COLUMNS * DOWN


def _map(axes: Axes, at: int, values: np.ndarray, palette: str, limits: Limits, name: str) -> None:
    """A field, north up, as tile number `at`; what is missing is grey."""
    x, y = _corner(at)
    axes.text(x, y - 8, name, size=8, weight="bold" if at % 2 == 0 else "normal")
    _picture(axes, values, palette, limits, (x, x + 360, y + 180, y))
    lines = {"color": INK, "alpha": 0.18, "lw": 0.4}
    axes.vlines(x + np.arange(0, 361, 60), y, y + 180, **lines)
    axes.hlines(y + np.arange(0, 181, 30), x, x + 360, **lines)


def _picture(axes: Axes, values: np.ndarray, palette: str, limits: Limits, extent: tuple) -> None:
    colour = mpl.colormaps[palette].with_extremes(bad="0.6")
    low, high = limits
    options: Any = {"cmap": colour, "vmin": low, "vmax": high, "extent": extent, "aspect": "auto"}
    axes.imshow(np.ma.masked_invalid(values), interpolation="none", **options)


def _scale(axes: Axes, at: int, palette: str, limits: Limits, label: str) -> None:
    x, y = _corner(at)
    axes.text(x, y + 60, label.rstrip(", "), size=8)
    _picture(axes, np.linspace(*limits, 128)[None], palette, limits, (x, x + 360, y + 95, y + 75))
    for share, side in ((0.0, "left"), (0.5, "center"), (1.0, "right")):
        value = limits[0] + share * (limits[1] - limits[0])
        text = f"{value:.3g}".replace("-", "−")
        axes.text(x + share * 360, y + 130, text, size=7.5, ha=side)


def _field(run: Scores, cell: Cell, cycle: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Truth and error of the mean, north up."""
    fields = run["pictures"]["fields"]
    shape = len(fields["latitude"]), len(fields["longitude"])
    for row in fields["maps"]:
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


def density(kept: Mapping[str, Scores]) -> Figure:
    """Density of the members of each method at one point, and the truth there."""
    points = {method: run["pictures"]["point"] for method, run in kept.items()}
    run, first = next(iter(kept.values())), next(iter(points.values()))
    figure = Figure(figsize=(6.4, 3.0))
    axes = figure.add_axes((0.06, 0.16, 0.92, 0.72))
    for method, point in points.items():
        x, tint = np.array(point["members"], float), colours([method])[method]
        if np.isfinite(x).all() and np.ptp(x) > 0:
            sns.kdeplot(x=x, ax=axes, color=tint, fill=True, alpha=0.15, lw=1.6, label=method)
            axes.plot(x, np.zeros_like(x), "|", color=tint, ms=9)
    axes.axvline(first["truth"], color=INK, lw=1.2, label="truth")
    unit = units(run["variables"].get(first["variable"], {}).get("units", ""))
    axes.set(xlabel=unit, ylabel="density", yticks=[])
    axes.grid(False)
    day = (run["seconds"][first["cycle"]] - run["seconds"][0]) / 86400
    where = f"{first['latitude']:g}° N, {first['longitude']:g}° E"
    axes.set_title(f"{title(first['variable'], first['level'])} at {where}, day {day:.3g}")
    axes.legend()
    return figure
