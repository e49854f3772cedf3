"""Where the truth falls among the members, and the power at each scale; of first seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures.labels import LARGE, SMALL, width_of
from dabench.leaderboard.figures.sheet import Panel, Scale, Sheet, grid, head, scale_of, tall
from dabench.leaderboard.figures.style import FAINT, INK, SOFT, colours
from dabench.leaderboard.format import label as name_of
from dabench.leaderboard.format import squared, title
from dabench.leaderboard.methods import in_order
from dabench.scores.record import Cell, Scores

ROW = 0.72
"""Height of a row of histograms, inches."""


def ranks(runs: Sequence[Scores], cells: Sequence[Cell]) -> Figure | None:
    """Histograms of the randomised PIT: a row a method, a column a cell; flat is reliable."""
    by_method = {run.method: run for run in reversed(runs) if run.histograms}
    methods = in_order(by_method)
    if not methods:
        return None
    sheet = Sheet(ROW * len(methods) + 0.62)
    told = "Where the truth falls in the ensemble: PIT, 16 bins, line at 1"
    sheet.text(0.1, sheet.height - 0.16, told, LARGE, bold=True)
    meaning = "flat: reliable, U: too narrow, dome: too wide"
    sheet.text(0.1, sheet.height - 0.34, meaning, colour=SOFT)
    left = 0.25 + max(map(width_of, methods))
    wide = (sheet.width - left) / len(cells)
    for j, cell in enumerate(cells):
        sheet.text(left + wide * j, sheet.height - 0.58, name_of(*cell), SMALL, bold=True)
    for i, method in enumerate(methods):
        bottom, colour = ROW * (len(methods) - 1 - i) + 0.08, colours(methods)[method]
        sheet.text(left - 0.12, bottom + 0.2, method, side="right")
        for j, cell in enumerate(cells):
            place = Panel(left + wide * j, bottom, wide - 0.14, 0.84 * ROW)
            _bars(sheet, place, by_method[method], cell, colour)
    return sheet.done()


def _bars(sheet: Sheet, place: Panel, run: Scores, cell: Cell, colour: str) -> None:
    """One histogram, of heights up to 3."""
    share = run.histograms.get(cell, np.zeros(0))
    values = np.minimum(np.nan_to_num(share) * len(share), 3.0)
    panel = place._replace(y=Scale(0.0, 3.0))
    if len(values):
        edges = np.repeat(np.arange(len(values) + 1) / len(values), 2)
        sheet.area(panel.at(edges, np.concatenate([[0], np.repeat(values, 2), [0]])), colour)
    sheet.line(panel.at([0, 1], [0, 0]), FAINT, 0.8)
    sheet.line(panel.at([0, 1], [1, 1]), INK, 0.8, layer=3)


def spectra(runs: Sequence[Scores], cells: Sequence[Cell]) -> Figure | None:
    """Zonal power of the truth, of members (lines) and of the error of the mean (dotted)."""
    first = {run.method: run for run in reversed(runs) if run.spectra}
    if not first:
        return None
    methods, columns = in_order(first), min(3, len(cells))
    tints, top = colours(methods), tall(len(cells), columns)
    named = {method: (tints[method], "") for method in methods} | {"truth": (INK, "")}
    sheet = Sheet(top + head(named))
    sheet.legend(named, "Power: members (lines), error of the mean (dots)")
    for i, (place, cell) in enumerate(zip(grid(len(cells), columns, top), cells, strict=True)):
        lines = _powers(first, tints, cell)
        panel = _power_panel(place, [power for power, _ in lines])
        below = "zonal wavenumber" if i + columns >= len(cells) else ""
        unit = squared(runs[0].units(cell[0]))
        sheet.frame(panel, title(*cell), unit, below)
        for power, style in lines:
            sheet.line(panel.at(np.arange(1, len(power) + 1), power), **style)
    return sheet.done()


def _powers(first: Mapping[str, Scores], tints: Mapping[str, str], cell: Cell) -> list[tuple]:
    """(power by wavenumber from 1 on, style) of every line; the truth above all."""
    lines, powers, nothing = [], {}, np.zeros(0)
    for method, tint in tints.items():
        powers = first[method].spectra.get(cell, {})
        for kind, dash in (("member", ()), ("error", (1.0, 1.65))):
            style = {"colour": tint, "width": 1.3, "dash": dash}
            lines.append((powers.get(kind, nothing)[1:], style))
    lines.append((powers.get("truth", nothing)[1:], {"colour": INK, "width": 1.3}))
    return lines


def _power_panel(place: Panel, powers: Sequence[np.ndarray]) -> Panel:
    """Logarithmic in both; seven decades at most."""
    scale = scale_of(np.concatenate(powers), log=True)
    most = max(map(len, powers), default=1)
    floor = max(scale.low, scale.high * 1e-7)
    return place._replace(x=Scale(0.9, 1.1 * max(most, 2), True), y=scale._replace(low=floor))
