"""Small axes of one size in rows, with a heading and a legend above them; and round ticks.

Sizes are in inches. Places are computed and not searched for by a layout engine, so that all
figures of a page have letters of one size, and quickly. Figures are as wide as pages or, inside of
`of_width`, as pages of telephones.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullLocator

from dabench.leaderboard.figures.style import LineStyle, Palette
from dabench.leaderboard.format import label as short_name
from dabench.leaderboard.format import raised, title

WIDE, NARROW = 9.0, 3.6
"""Widths of figures: for pages, and for pages of telephones."""
NARROWEST = 1.75
"""Width of a panel, its room included, at least."""
LEFT, RIGHT, ABOVE, BELOW, LABEL = 0.56, 0.14, 0.3, 0.3, 0.2
"""Room around a panel, and for the name of the x axis."""
HEIGHT = 1.35
"""Height of a panel."""
HEADING, LEGEND_ROW, HANDLE = 0.32, 0.2, 0.6
"""Heights of the heading and of a row of the legend; width of a line in it and of the gaps."""
MARGIN = 0.12
"""Left of headings of narrow figures, where those of wide ones stand above the panels."""
BOLD = 1.16
"""Width of bold letters over that of others."""
LARGE, SMALL = 10.0, 8.0
"""Sizes of a heading and of small print, points."""


_width: ContextVar[float] = ContextVar("width", default=WIDE)


@contextmanager
def of_width(inches: float) -> Iterator[None]:
    """Make the figures inside of this width."""
    token = _width.set(inches)
    try:
        yield
    finally:
        _width.reset(token)


def width() -> float:
    """Width of the figures that are made now."""
    return _width.get()


def is_narrow() -> bool:
    """Whether figures are made for narrow pages."""
    return width() < WIDE


def columns_of(most: int) -> int:
    """Number of panels in a row: as many as asked for, or as fit."""
    return min(most, max(1, int(width() / NARROWEST)))


def heading_left() -> float:
    """Where headings and legends begin."""
    return MARGIN if is_narrow() else LEFT


def new_figure(height: float) -> Figure:
    """An empty figure of the width of all others."""
    return Figure(figsize=(width(), height))


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """New axes at a place in inches from the lower left."""
    wide, high = figure.get_size_inches()
    return figure.add_axes((left / wide, bottom / high, width / wide, height / high))


def panels(
    count: int, columns: int, *, above: float = 0.0, height: float = HEIGHT
) -> tuple[Figure, list[Axes]]:
    """A figure with panels in rows of `columns`.

    Arguments:
        above: Room for heading and legend.
    """
    wide, rows = width() / columns, -(-count // columns)
    top = rows * (height + ABOVE + BELOW) + LABEL
    figure = new_figure(top + above)
    axes = []
    for i in range(count):
        row, column = divmod(i, columns)
        bottom = top - (row + 1) * (height + ABOVE + BELOW) + BELOW
        axes.append(place(figure, column * wide + LEFT, bottom, wide - LEFT - RIGHT, height))
    return figure, axes


def write(figure: Figure, left: float, down: float, text: str, **look: object) -> None:
    """Text at a place in inches from the upper left."""
    wide, high = figure.get_size_inches()
    figure.text(left / wide, 1 - down / high, text, **look)  # type: ignore[arg-type]


def write_heading(figure: Figure, left: float, text: str) -> None:
    """A heading at the top, smaller where it would not fit."""
    room = width() - left - RIGHT
    size = LARGE * min(1.0, room / (BOLD * text_width(text, LARGE)))
    write(figure, left, 0.2, text, fontsize=size, fontweight="bold")


def label(axes: Axes, palette: Palette, heading: str, *, unit: str = "", x: str = "") -> None:
    """The title of a panel, units at its end, and the name of the x axis below."""
    axes.set_title(heading, loc="left")
    axes.set_title(unit, loc="right", fontsize=SMALL, fontweight="normal", color=palette.soft)
    axes.set_xlabel(x)
    axes.xaxis.set_label_coords(0.5, -0.26 / (axes.get_position().height * _height(axes)))


def cell_title(name: str, level: float | None) -> str:
    """The title of a panel about a variable at a level: in full, or short where there is little
    room."""
    return short_name(name, level) if is_narrow() else title(name, level)


def _height(axes: Axes) -> float:
    figure = axes.figure
    return float(figure.get_size_inches()[1])  # type: ignore[union-attr]


def add_legend(figure: Figure, heading: str, styles: Mapping[str, LineStyle]) -> None:
    """A heading, and below it named lines in rows, at the top."""
    write_heading(figure, heading_left(), heading)
    columns = legend_columns(styles)
    lines = [
        Line2D([], [], color=style.colour, linestyle=style.pattern, lw=2.0, label=name)
        for name, style in styles.items()
    ]
    by_rows = [line for first in range(columns) for line in lines[first::columns]]
    wide, high = figure.get_size_inches()
    figure.legend(
        handles=by_rows,
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=(heading_left() / wide, 1 - 0.27 / high),
        borderpad=0,
        borderaxespad=0,
        handlelength=1.6 if is_narrow() else 2.4,
        columnspacing=1.0 if is_narrow() else 1.8,
    )


def legend_columns(names: Iterable[str]) -> int:
    """Number of columns that the longest name leaves room for."""
    widest = max((text_width(name) for name in names), default=0.0)
    handle = 0.75 * HANDLE if is_narrow() else HANDLE
    return max(1, int((width() - heading_left()) / (handle + widest)))


def legend_height(names: Iterable[str]) -> float:
    """Room for the heading and the legend."""
    names = list(names)
    return HEADING + LEGEND_ROW * -(-len(names) // legend_columns(names))


@cache
def text_width(text: str, size: float = 8.5) -> float:
    """Width of a text in inches."""
    return float(TextPath((0, 0), text, size=size).get_extents().width) / 72 if text else 0.0


class Range(NamedTuple):
    """The ends of an axis, and whether it is logarithmic."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def of(cls, values: np.ndarray, *, log: bool = False, room: float = 0.05) -> "Range":
        """The range of all finite values (of the positive ones on a logarithmic axis) and a little
        more, as a share of it."""
        usable = values[np.isfinite(values) & ((values > 0) | (not log))]
        if not usable.size:
            return cls(0.1, 1.0, log)
        low, high = float(usable.min()), float(usable.max())
        if log:
            factor = max((high / low) ** room, 1.1)
            return cls(low / factor, high * factor, log)
        if low < high:
            return cls(low - room * (high - low), high + room * (high - low))
        if low == 0:
            return cls(-1.0, 1.0)
        return cls(min(0.0, 2 * low), max(0.0, 2 * high))  # constant: shown against zero

    def ticks(self, most: int) -> np.ndarray:
        """Round numbers inside; evenly spaced ones also where a logarithmic axis is short."""
        if self.log:
            decades = np.log10(self.high / self.low)
            parts = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 3 else (1.0,)
            ticks = self._inside(LogLocator(subs=parts, numticks=most + 1))
            if len(ticks) > 2:
                return ticks
        return self._inside(MaxNLocator(most, steps=[1, 2, 5, 10]))

    def _inside(self, locator: Locator) -> np.ndarray:
        ticks = np.asarray(locator.tick_values(self.low, self.high))
        slack = 1e-9 * (self.low if self.log else self.high - self.low)
        return ticks[(ticks >= self.low - slack) & (ticks <= self.high + slack)]


def set_range(axes: Axes, name: Literal["x", "y"], ends: Range, most: int) -> None:
    """Give an axis its range, and at most so many ticks."""
    axis = axes.xaxis if name == "x" else axes.yaxis
    if ends.log:
        axes.set(**{f"{name}scale": "log"})
    axes.set(**{f"{name}lim": (ends.low, ends.high)})
    ticks = ends.ticks(most)
    axis.set_ticks(ticks, [tick_text(tick) for tick in ticks])
    axis.set_minor_locator(NullLocator())


def tick_text(value: float) -> str:
    """A short number: 0.05, 1000, 10⁻⁵."""
    text = f"{value:.6g}"
    if value and not 1e-4 <= abs(value) < 1e6:
        power = int(np.floor(np.log10(abs(value)) + 1e-9))
        text = f"{value / 10.0**power:.3g}·10{raised(power)}".removeprefix("1·")
    return text.replace("-", "−")
