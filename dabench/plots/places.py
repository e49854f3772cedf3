"""The figures of a board that show places, as SVG: network, maps, members at one point."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

from dabench.headlines import Cell, in_order, title, units
from dabench.pictures import unpacked
from dabench.plots.maps import SYMMETRIC
from dabench.plots.sheet import Panel, Sheet, said

Scores = Mapping[str, Any]
Where = tuple[float, float, float, float]

GROUPS = ("fa_apf", "letkf", "oi", "enkf", "bootstrap", "guided")
"""Methods whose colours groups of observations borrow."""

TALL = 104.0
"""Of a map, in the sheet's units; twice as wide."""


def places(runs: Sequence[Scores]) -> Iterator[tuple[str, str]]:
    """(name, SVG) of what the first seeds of methods keep of their fields."""
    kept = {run["method"]: run for run in reversed(runs) if run.get("pictures")}
    kept = {method: kept[method] for method in in_order(kept)}
    if not kept:
        return
    first = next(iter(kept.values()))
    if first["pictures"]["network"]:
        yield "network", network(first["pictures"]["network"])
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


def network(groups: Sequence[Mapping[str, Any]]) -> str:
    """Where each group observes; rings where it withholds."""
    sphere = any(group["latitude"] for group in groups)
    top = 18.0 * len(groups) + 22
    high = 270.0 if sphere else 40.0
    sheet = Sheet(top + high + 30, "Where each group of observations lies", 600.0)
    ends = ((0.0, 360.0), (-90.0, 90.0)) if sphere else ((-0.5, _last(groups) + 0.5), (0.0, 1.0))
    where = (44.0, top, sheet.width - 60, high)
    panel = Panel(sheet, where, *ends)
    _axes(sheet, panel, sphere)
    for i, group in enumerate(groups):
        ink = f"f{sheet.ink(GROUPS[i % len(GROUPS)])}"
        x, y = _spots(group)
        radius = float(np.clip(70 / max(1, len(x)) ** 0.5, 1.1, 5.0))
        told = f"{group['group']}: {', '.join(v.replace('_', ' ') for v in group['variables'])}"
        told += f"; {group['places']} places, {group['values']} values a cycle"
        sheet.dot(50, 14 + 18 * i, 5, ink)
        sheet.text(62, 18 + 18 * i, told + (", withheld for verification" * group["withheld"]))
        for a, b in zip(panel.across(x), panel.down(y), strict=True):
            sheet.dot(float(a), float(b), radius * (1.6 if group["withheld"] else 1), ink)
    return sheet.svg()


def _last(groups: Sequence[Mapping[str, Any]]) -> float:
    return max((max(group["site"], default=1.0) for group in groups), default=1.0)


def _spots(group: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Across and down of all places of a group."""
    if not group["latitude"]:
        x = np.array(group["site"], float)
        return x, np.full(len(x), 0.5)
    x, y = np.array(group["longitude"], float) % 360, np.array(group["latitude"], float)
    if group["grid"]:
        x, y = (a.ravel() for a in np.meshgrid(x, y))
    n = min(len(x), len(y))
    return x[:n], y[:n]


def _axes(sheet: Sheet, panel: Panel, sphere: bool) -> None:
    left, top, _, high = panel.where
    if not sphere:
        panel.ticks_below("site")
        return
    _graticule(sheet, panel.where)
    for lat in (-60, -30, 0, 30, 60):
        sheet.text(left - 5, float(panel.down(np.array(lat))) + 4, f"{said(lat)}°", "e")
    for lon in range(0, 361, 60):
        sheet.text(float(panel.across(np.array(lon))), top + high + 16, f"{lon}°", "m")


def _graticule(sheet: Sheet, where: Where) -> None:
    left, top, wide, high = where
    for i in range(7):
        sheet.line(left, top + i / 6 * high, left + wide, top + i / 6 * high)
        sheet.line(left + i / 6 * wide, top, left + i / 6 * wide, top + high)


def maps(kept: Mapping[str, Scores], cell: Cell, cycle: int) -> str:
    """Truth, and of each method the mean and its error, after one cycle."""
    fields = {m: found for m, run in kept.items() if (found := _field(run, cell, cycle))}
    run = next(iter(kept.values()))
    unit = units(run["variables"].get(cell[0], {}).get("units", ""))
    day = (run["seconds"][cycle] - run["seconds"][0]) / 86400
    truth = next(iter(fields.values()))[0]
    limits, colours = _range(cell[0], truth)
    errors = np.concatenate([e[np.isfinite(e)].ravel() for _, e in fields.values()])
    bound = float(np.quantile(np.abs(errors), 0.99)) if len(errors) else 1.0
    sheet = Sheet(0, f"{title(*cell)}, day {day:.3g}: truth, means, errors of the mean")
    sheet.text(4, 16, f"{title(*cell)}, day {day:.3g}", "h")
    _map(sheet, (0, 0), truth, colours, limits, "truth")
    _bar(sheet, 1, colours, limits, f"truth and means, {unit}")
    _bar(sheet, 2, "PuOr_r", (-(bound or 1.0), bound or 1.0), f"errors of the means, {unit}")
    for i, (method, (true, error)) in enumerate(fields.items()):
        row, column = 1 + i // 2, 2 * (i % 2)
        _map(sheet, (row, column), true + error, colours, limits, method)
        ends = (-(bound or 1.0), bound or 1.0)
        _map(sheet, (row, column + 1), error, "PuOr_r", ends, "its error")
    sheet.height = 44 + (1 + -(-len(fields) // 2)) * (TALL + 28)
    return sheet.svg()


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


def _range(variable: str, values: np.ndarray) -> tuple[tuple[float, float], str]:
    low, high = (float(q) for q in np.nanquantile(values, [0.005, 0.995]))
    if any(part in variable for part in SYMMETRIC):
        bound = max(-low, high)
        return (-bound, bound), "RdBu_r"
    return (low, high), "viridis" if "temperature" not in variable else "inferno"


def _map(
    sheet: Sheet,
    at: tuple[int, int],
    values: np.ndarray,
    colours: str,
    limits: tuple[float, float],
    name: str,
) -> None:
    """A field in the grid of maps (row, column)."""
    wide = 2 * TALL
    x, y = 8 + at[1] * (sheet.width / 4), 48 + at[0] * (TALL + 28)
    sheet.text(x, y - 6, name, "b" if at[1] % 2 == 0 else "")
    sheet.image(x, y, wide, TALL, png(values, colours, limits))
    _graticule(sheet, (x, y, wide, TALL))


def _bar(sheet: Sheet, column: int, colours: str, limits: tuple[float, float], label: str) -> None:
    x, wide = 8 + column * sheet.width / 4, 2 * TALL
    ramp = np.linspace(*limits, 128)[None]
    sheet.text(x, 74, label.rstrip(", "))
    sheet.image(x, 84, wide, 14, png(ramp, colours, limits))
    for share, kind in ((0.0, ""), (0.5, "m"), (1.0, "e")):
        value = limits[0] + share * (limits[1] - limits[0])
        sheet.text(x + share * wide, 114, said(float(f"{value:.3g}")), kind)


def png(values: np.ndarray, colours: str, limits: tuple[float, float]) -> str:
    """A field as a small picture with a palette; what is missing is grey. A data URI."""
    low, high = limits
    with np.errstate(invalid="ignore"):
        share = np.clip((values - low) / ((high - low) or 1.0), 0, 1) * 254
        level = np.where(np.isfinite(share), np.rint(share), 255).astype(np.uint8)
    picture = Image.fromarray(level)
    picture.putpalette(_palette(colours))
    held = io.BytesIO()
    picture.save(held, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


@cache
def _palette(colours: str) -> bytes:
    rgb = mpl.colormaps[colours](np.linspace(0, 1, 255))[:, :3]
    return bytes((255 * np.vstack([rgb, [0.6, 0.6, 0.6]])).round().astype(np.uint8).ravel())


def density(kept: Mapping[str, Scores]) -> str:
    """The members of each method at one point, and the truth there."""
    points = {method: run["pictures"]["point"] for method, run in kept.items()}
    run, first = next(iter(kept.values())), next(iter(points.values()))
    day = (run["seconds"][first["cycle"]] - run["seconds"][0]) / 86400
    place = f"{first['latitude']:g}° N, {first['longitude']:g}° E"
    sheet = Sheet(64 + 30 * len(points) + 36, f"Members at {place}, and the truth")
    what = title(first["variable"], first["level"])
    sheet.text(4, 16, f"{what} of the members at {place}, day {day:.3g}; line: the truth", "h")
    known = {m: np.array([v for v in p["members"] if v is not None]) for m, p in points.items()}
    values = np.concatenate([*known.values(), [first["truth"]]])
    pad = 0.05 * (float(np.ptp(values)) or 1.0)
    where = (120.0, 40.0, sheet.width - 140, 30.0 * len(points))
    panel = Panel(sheet, where, (float(values.min()) - pad, float(values.max()) + pad), (0.0, 1.0))
    true = float(panel.across(np.array(first["truth"])))
    sheet.line(true, 34, true, 44 + where[3], "i")
    for i, (method, members) in enumerate(known.items()):
        y = 40 + 30 * (i + 0.5)
        sheet.text(108, y + 4, method, "e")
        for x in panel.across(members):
            sheet.dot(float(x), y, 5, f"f{sheet.ink(method)} o")
    unit = units(run["variables"].get(first["variable"], {}).get("units", ""))
    panel.ticks_below(unit)
    return sheet.svg()
