"""Figures of consistency with the truth: PIT histograms, and power at each scale; first seeds."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.leaderboard.figures.panels import (
    SMALL,
    Range,
    add_legend,
    cell_title,
    columns_of,
    is_narrow,
    label,
    legend_height,
    new_figure,
    panels,
    place,
    set_range,
    text_width,
    width,
    write,
    write_heading,
)
from dabench.leaderboard.figures.style import DOTTED, LineStyle, Palette
from dabench.leaderboard.format import label as short_name
from dabench.leaderboard.format import squared
from dabench.leaderboard.methods import display_name, first_of_each
from dabench.scores.record import Cell, Scores

ROW, HEAD, FOOT = 0.62, 0.62, 0.08
"""Heights of a row of histograms, of the room above and of the room below all rows, inches."""
BETWEEN, LEAST, LINE = 0.3, 0.6, 0.14
"""Room between blocks of columns, least width of a column, height of a line of text, inches."""
MEANING = "PIT in 16 bins, line at 1. Flat: reliable; U: too narrow; dome: too wide"
HIGHEST = 3.0
"""Bars are cut at this multiple of the height of a flat histogram."""
POWER = "Zonal power: members (lines), error of the mean (dots)"
DECADES = 1e-7
"""Power below this share of the largest is not shown."""


def ranks(runs: Sequence[Scores], cells: Sequence[Cell], palette: Palette) -> Figure | None:
    """Histograms of the randomised PIT: a row for each method, a column for each cell.

    One member has no distribution that the truth could fall into.
    """
    first = first_of_each(run for run in runs if run.histograms and run.members > 1)
    if not first:
        return None
    styles = palette.styles(run.method for run in runs)
    names, tall = [display_name(method) for method in first], ROW * len(first)
    left = 0.25 + max(map(text_width, names))
    columns = min(len(cells), max(1, int((width() - left) / LEAST)))
    blocks, wide = -(-len(cells) // columns), (width() - left) / columns
    meaning = fill(MEANING, int(15 * width()))
    head = HEAD + LINE * meaning.count("\n")
    figure = new_figure(head + blocks * tall + (blocks - 1) * BETWEEN + FOOT)
    write_heading(figure, 0.1, "Where the truth falls in the ensemble")
    write(figure, 0.1, 0.27, meaning, fontsize=SMALL, color=palette.soft, va="top")
    for place_of_cell, cell in enumerate(cells):
        block, column = divmod(place_of_cell, columns)
        bottom = FOOT + (blocks - 1 - block) * (tall + BETWEEN)
        axes = place(figure, left + wide * column, bottom, wide - 0.14, tall)
        _set_rows(axes, names if column == 0 else [], len(first))
        axes.set_title(short_name(*cell), fontsize=SMALL, loc="left")
        for row, (method, run) in enumerate(first.items()):
            bins = run.histograms.get(cell, np.zeros(0))
            _histogram(axes, len(first) - 1 - row, bins, styles[method].colour, palette)
    return figure


def _set_rows(axes: Axes, names: Sequence[str], count: int) -> None:
    """Rows without an axis, named at the left; row 0 is the lowest."""
    axes.set(xlim=(0, 1), ylim=(0, count), xticks=[])
    heights = [count - 1 - row + 0.28 for row in range(len(names))]
    axes.set_yticks(heights, list(names), fontsize=8.5)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _histogram(
    axes: Axes, row: int, bins: Float[np.ndarray, "bin"], colour: str, palette: Palette
) -> None:
    """One histogram in its row, as multiples of the height of a flat one."""
    unit = 0.84 / HIGHEST
    heights = np.minimum(np.nan_to_num(bins) * len(bins), HIGHEST)
    if len(bins):
        edges = np.linspace(0, 1, len(bins) + 1)
        top = row + unit * heights
        axes.stairs(top, edges, baseline=row, fill=True, color=colour, lw=0, zorder=2)
    axes.hlines(row, 0, 1, color=palette.line, lw=0.8, zorder=3)
    axes.hlines(row + unit, 0, 1, color=palette.ink, lw=0.8, zorder=3)


def spectra(runs: Sequence[Scores], cells: Sequence[Cell], palette: Palette) -> Figure | None:
    """Zonal power of the truth, of members (lines) and of the error of the mean (dots)."""
    first = first_of_each(run for run in runs if run.spectra)
    if not first:
        return None
    all_styles = palette.styles(run.method for run in runs)
    styles = {method: LineStyle(all_styles[method].colour, ()) for method in first}
    names = {display_name(method): style for method, style in styles.items()}
    names["Truth"] = LineStyle(palette.ink, ())
    columns = columns_of(min(3, len(cells)))
    figure, all_axes = panels(len(cells), columns, above=legend_height(names))
    add_legend(figure, POWER.partition(":")[0] if is_narrow() else POWER, names)
    for i, (axes, cell) in enumerate(zip(all_axes, cells, strict=True)):
        x = "zonal wavenumber" if i + columns >= len(cells) else ""
        label(axes, palette, cell_title(*cell), unit=squared(runs[0].units(cell[0])), x=x)
        _powers(axes, first, cell, styles, names["Truth"])
    return figure


def _powers(
    axes: Axes,
    first: Mapping[str, Scores],
    cell: Cell,
    styles: Mapping[str, LineStyle],
    truth: LineStyle,
) -> None:
    """The lines of one panel, the truth above all others."""
    powers = {method: first[method].spectra.get(cell, {}) for method in styles}
    lines = []
    for method, style in styles.items():
        lines.append((powers[method].get("member", ()), style))
        lines.append((powers[method].get("error", ()), style._replace(dash=DOTTED)))
    lines += [(power["truth"], truth) for power in powers.values() if "truth" in power][-1:]
    from_one = [np.asarray(power, float)[1:] for power, _ in lines]
    ends = Range.of(np.concatenate(from_one), log=True)
    set_range(axes, "y", ends._replace(low=max(ends.low, ends.high * DECADES)), 5)
    most = max(2, *map(len, from_one))
    set_range(axes, "x", Range(0.9, 1.1 * most, log=True), 6)
    for power, (_, style) in zip(from_one, lines, strict=True):
        wavenumbers = np.arange(1, len(power) + 1)
        axes.plot(wavenumbers, power, color=style.colour, linestyle=style.pattern, lw=1.3)
