"""The figures of a board that numbers alone can show, as SVG: from results, without an archive."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from dabench.headlines import Cell, headlines, in_order, label, title, units
from dabench.plots.curves import LEVELS, METRICS, POINTS, WEIGHTS, profiles, time_label
from dabench.plots.pareto import costs_and_skill
from dabench.plots.sheet import Panel, Sheet, dash, span

Scores = Mapping[str, Any]
Series = dict[str, tuple[np.ndarray, np.ndarray]]
"""By method: times, and values (seed, time)."""

__all__ = ["LEVELS", "graphs"]

FAR = 14.0
"""From one panel's frame to the next's labels."""


def graphs(runs: Sequence[Scores]) -> Iterator[tuple[str, str]]:
    """(name, SVG) of every figure of a board."""
    first = runs[0]
    cells, levels = headlines(first["variables"]), profiles(first["variables"])
    for metric, heading in METRICS.items():
        yield from _drawn(metric, runs, heading, _metric(runs, metric, cells))
    for metric in ("rmse", "spread") if levels else ():
        yield from _drawn(f"{metric}-levels", runs, METRICS[metric], _metric(runs, metric, levels))
    yield from _drawn("weights", runs, "Weights and innovations", _weights(runs), 2)
    for name, draw in (("ranks", ranks), ("spectra", spectra)):
        if any(run["rank" if name == "ranks" else "spectra"] for run in runs):
            yield name, draw(runs, cells)
    if points := costs_and_skill(runs, cells[0]):
        yield "pareto", pareto(*points)


def _drawn(
    name: str,
    runs: Sequence[Scores],
    heading: str,
    panels: Sequence[tuple[str, str, Series]],
    columns: int = 3,
) -> Iterator[tuple[str, str]]:
    if any(series for _, _, series in panels):
        yield name, against_time(runs, heading, panels, columns)


def _metric(
    runs: Sequence[Scores], metric: str, cells: Sequence[Cell]
) -> list[tuple[str, str, Series]]:
    """Title, unit and series of each cell."""
    known = [_index(run, metric) for run in runs]
    found = []
    for cell in cells:
        unit = units(runs[0]["variables"].get(cell[0], {}).get("units", ""))
        values = [(run, rows[cell]) for run, rows in zip(runs, known, strict=True) if cell in rows]
        found.append((title(*cell), unit, by_method(values)))
    return found


def _index(run: Scores, metric: str) -> dict[Cell, Sequence[float | None]]:
    return {
        (row["variable"], row["level"]): row["values"]
        for row in run["series"]
        if row["metric"] == metric and row["region"] == "global"
    }


def _weights(runs: Sequence[Scores]) -> list[tuple[str, str, Series]]:
    found = []
    for key, (heading, get) in WEIGHTS.items():
        kept: list[tuple[Scores, Any]] = [(run, get(run)) for run in runs]
        name = "chi2" if key == "chi2" else "values"
        series = by_method([(run, row[name]) for run, row in kept if row])
        if any(np.isfinite(v).any() for _, v in series.values()):
            found.append((heading, "", series))
    return found


def by_method(found: Sequence[tuple[Scores, Sequence[float | None]]]) -> Series:
    """Series of runs by method, one a seed; long ones are averaged over blocks of cycles."""
    rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for run, values in found:
        rows.setdefault(run["method"], []).append(_thinned(run, values))
    series = {}
    for method in in_order(rows):
        length = max(len(t) for t, _ in rows[method])
        times = next(t for t, _ in rows[method] if len(t) == length)
        padded = [np.pad(v, (0, length - len(v)), constant_values=np.nan) for _, v in rows[method]]
        series[method] = times, np.array(padded)
    return series


def _thinned(run: Scores, values: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.array(values, float)
    time = np.arange(len(numbers), dtype=float)
    if time_label(run) == "days":
        time = (np.array(run["seconds"][: len(numbers)]) - run["seconds"][0]) / 86400
    block = -(-len(numbers) // POINTS) if len(numbers) else 1
    if block > 1:
        whole = len(numbers) // block * block
        with np.errstate(over="ignore"):  # of what diverged
            numbers = (numbers[:whole].reshape(-1, block) ** 2).mean(1) ** 0.5
        time = time[:whole].reshape(-1, block).mean(1)
    return time, numbers


def against_time(
    runs: Sequence[Scores],
    heading: str,
    panels: Sequence[tuple[str, str, Series]],
    columns: int = 3,
) -> str:
    """A panel a quantity, a line a method (mean over seeds), a band over its seeds."""
    columns = min(columns, len(panels))
    methods = in_order({m for _, _, series in panels for m in series})
    sheet = Sheet(0, f"{heading} against time: {', '.join(methods)}")
    top, wide, high = sheet.legend(methods, heading) + 26, sheet.width / columns, 215.0
    for i, (name, unit, series) in enumerate(panels):
        where = (i % columns * wide + 46, top + i // columns * high, wide - 46 - FAR, high - 75)
        _lines(sheet, where, series, runs[0]).frame(name, time_label(runs[0]), unit)
    sheet.height = top + -(-len(panels) // columns) * high - 30
    return sheet.svg()


def _lines(
    sheet: Sheet, where: tuple[float, float, float, float], series: Series, run: Scores
) -> Panel:
    limits, log = span([v for _, v in series.values()])
    last = max([float(t[-1]) for t, _ in series.values() if len(t)], default=1.0) or 1.0
    panel = Panel(sheet, where, (0.0, last), limits, log_y=log)
    _veil(sheet, panel, run)
    for method, (time, values) in series.items():
        ink, good = sheet.ink(method), np.isfinite(values).all(0)
        if len(values) > 1:
            ends = values[:, good].min(0), values[:, good].max(0)
            panel.area(time[good], *ends, f"f{ink}")
        mean = np.where(good, np.where(good, values, 0.0).mean(0), np.nan)
        panel.curve(time, mean, f"s{ink}", dash(method))
    return panel


def _veil(sheet: Sheet, panel: Panel, run: Scores) -> None:
    """Over the cycles that do not count."""
    spinup = min(run["spinup"], len(run["seconds"]) - 1)
    if spinup > 0:
        end = float(spinup)
        if time_label(run) == "days":
            end = (run["seconds"][spinup] - run["seconds"][0]) / 86400
        left, top, _, high = panel.where
        sheet.box(left, top, float(panel.across(np.array(end))) - left, high, "v")


def ranks(runs: Sequence[Scores], cells: Sequence[Cell]) -> str:
    """Histograms of the randomised PIT: a row a method, a column a cell; flat is reliable."""
    by_name = {run["method"]: run for run in runs if run["rank"]}
    methods = in_order(by_name)
    high, left = 74.0, 14 + 6.6 * max(map(len, methods))
    sheet = Sheet(high * len(methods) + 66, "Histograms of where the truth falls in the ensemble")
    sheet.text(4, 16, "Where the truth falls in the ensemble", "h")
    sheet.text(sheet.width, 16, "16 bins; line: reliable; U: too narrow, dome: too wide", "e")
    wide = (sheet.width - left) / len(cells)
    for j, cell in enumerate(cells):
        sheet.text(left + j * wide, 44, label(*cell), "b")
        for i, method in enumerate(methods):
            where = (left + j * wide, 54 + i * high, wide - 12, high - 12)
            _bars(sheet, where, by_name[method], cell)
    for i, method in enumerate(methods):
        sheet.text(left - 8, 54 + (i + 0.5) * high, method, "e")
    return sheet.svg()


def _bars(sheet: Sheet, where: tuple[float, float, float, float], run: Scores, cell: Cell) -> None:
    shares = (r["histogram"] for r in run["rank"] if (r["variable"], r["level"]) == cell)
    share = np.nan_to_num(np.array(next(shares, []), float))
    left, top, wide, high = where
    bottom, unit = top + high, high / 3
    step = wide / max(1, len(share))
    for i, value in enumerate(np.minimum(share * len(share), 3.0)):
        sheet.box(left + i * step, bottom - unit * value, step, unit * value, _fill(sheet, run))
    sheet.line(left, bottom, left + wide, bottom)
    sheet.line(left, bottom - unit, left + wide, bottom - unit, "i")


def _fill(sheet: Sheet, run: Scores) -> str:
    return f"f{sheet.ink(run['method'])}"


def spectra(runs: Sequence[Scores], cells: Sequence[Cell], columns: int = 3) -> str:
    """Zonal power of the truth, of members (lines) and of the error of the mean (dotted)."""
    known = {run["method"]: run for run in runs if run["spectra"]}
    methods = in_order(known)
    sheet = Sheet(0, "Power against zonal wavenumber of truth, members and error")
    heading = "Power: members (lines), error of the mean (dots), truth (thick)"
    top, wide, high = sheet.legend(methods, heading) + 26, sheet.width / columns, 235.0
    for i, cell in enumerate(cells):
        where = (i % columns * wide + 46, top + i // columns * high, wide - 46 - FAR, high - 75)
        rows = {m: _row(known[m], cell) for m in methods}
        _powers(sheet, where, {m: r for m, r in rows.items() if r}).frame(
            title(*cell), "zonal wavenumber"
        )
    sheet.height = top + -(-len(cells) // columns) * high - 30
    return sheet.svg()


def _row(run: Scores, cell: Cell) -> Mapping[str, Any]:
    return next((r for r in run["spectra"] if (r["variable"], r["level"]) == cell), {})


def _powers(
    sheet: Sheet, where: tuple[float, float, float, float], rows: Mapping[str, Mapping[str, Any]]
) -> Panel:
    kinds = {
        m: {k: np.array(row[k], float)[1:] for k in row if k in KINDS} for m, row in rows.items()
    }
    arrays = [power for found in kinds.values() for power in found.values() if len(power)]
    highest = max([float(np.nanmax(a)) for a in arrays if np.isfinite(a).any()], default=1.0)
    longest = max(map(len, arrays), default=2)
    ends = (highest * 1e-7, highest * 2)
    panel = Panel(sheet, where, (1.0, float(max(longest, 2))), ends, log_x=True, log_y=True)
    for i, (method, found) in enumerate(kinds.items()):
        for kind, power in found.items():
            if len(power) and (i == 0 or kind != "truth"):
                ink = "i t" if kind == "truth" else f"s{sheet.ink(method)}"
                shown = np.where(power > ends[0], power, np.nan)
                panel.curve(np.arange(1.0, len(power) + 1), shown, ink, KINDS[kind])
    return panel


KINDS = {"truth": "", "member": "", "error": "1.5 3"}


def pareto(panels: Mapping[str, Mapping[str, tuple[float, float]]], what: str) -> str:
    """Skill against each kind of cost, a point a method; the line joins those none surpasses."""
    sheet = Sheet(330, "CRPS against cost")
    sheet.text(4, 16, f"{what}, against cost; lower left is better", "h")
    wide = sheet.width / len(panels)
    for i, (cost, points) in enumerate(panels.items()):
        values = np.array(list(points.values()))
        low, high = values.min(0) / 1.5, values.max(0) * 1.5
        where = (i * wide + 52, 56.0, wide - 52 - 40, 224.0)
        panel = Panel(sheet, where, (low[0], high[0]), (low[1], high[1]), True, True)
        panel.frame("", cost)
        front = np.array(staircase(list(points.values())))
        panel.curve(front[:, 0], front[:, 1], "i", "2 3")
        _named(sheet, panel, points)
    return sheet.svg()


def _named(sheet: Sheet, panel: Panel, points: Mapping[str, tuple[float, float]]) -> None:
    """Points with their names, which make room for each other."""
    taken: list[tuple[float, float]] = []
    for method, (x, y) in sorted(points.items(), key=lambda p: p[1]):
        a, b = float(panel.across(np.array(x))), float(panel.down(np.array(y)))
        sheet.dot(a, b, 5.5, f"f{sheet.ink(method)}")
        below = b - 7
        while any(abs(below - v) < 12 and abs(a - u) < 80 for u, v in taken):
            below += 12
        taken.append((a, below))
        end = a + 8 + LETTERS * len(method) > panel.where[0] + panel.where[2] + 36
        sheet.text(a - 8 if end else a + 8, below, method, "e" if end else "")


LETTERS = 6.3


def staircase(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners of the line through points that none surpasses in both, from cheap to good."""
    found: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if not found or y < found[-1][1]:
            found += ([(x, found[-1][1])] if found else []) + [(x, y)]
    return found
