"""Small panels, many to a figure, which has no axes: a panel is a place and two scales.

An axes of matplotlib with its ticks takes twenty times as long to make and draw as the lines in it,
and a board has forty panels. Here lines, areas and texts of all panels are one collection each, in
inches from the lower left.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import Locator, LogLocator, MaxNLocator

from dabench.leaderboard.figures.labels import LARGE, SMALL, Label, Labels, width_of
from dabench.leaderboard.figures.style import FAINT, FULL_WIDTH, INK, SOFT, Styles

LEFT, RIGHT, ABOVE, BELOW, AXIS = 0.56, 0.14, 0.3, 0.3, 0.2
"""Room about a panel, and for the name of its x axis, inches."""


SUBS = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
"""Ticks of a decade where there are less than 1.5, less than 3, more."""


class Scale(NamedTuple):
    """From data to the share of an axis, 0 to 1."""

    low: float
    high: float
    log: bool = False

    def share(self, values: Any) -> np.ndarray:
        """NaN for what lies outside."""
        ends, values = np.array([self.low, self.high]), np.asarray(values, float)
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                ends, values = np.log10(ends), np.log10(values)
        share = (values - ends[0]) / (ends[1] - ends[0])
        return np.where(abs(share - 0.5) < 0.5 + 1e-9, share, np.nan)

    def ticks(self, most: int) -> np.ndarray:
        """Round numbers within; evenly spaced ones also where a logarithmic axis is short."""
        decades = np.log10(self.high / self.low) if self.log else 0.0
        subs = SUBS[int(np.searchsorted((1.5, 3.0), decades))]
        if self.log and len(found := self._within(LogLocator(subs=subs, numticks=most + 1))) > 2:
            return found
        return self._within(MaxNLocator(most, steps=[1, 2, 5, 10]))

    def _within(self, ticks: Locator) -> np.ndarray:
        found = np.asarray(ticks.tick_values(self.low, self.high))
        return found[np.isfinite(self.share(found))]


def scale_of(values: np.ndarray, *, log: bool = False, room: float = 0.05) -> Scale:
    """Holds all finite values (positive ones, if logarithmic) with some room."""
    known = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.1, 1.0)
    if log:
        wider = max((high / low) ** room, 1.1)
        return Scale(low / wider, high * wider, True)
    if high == low:  # from zero to twice the value: nothing happens, and that shows
        return Scale(min(0.0, 2 * low), max(0.0, 2 * high)) if low else Scale(-1.0, 1.0)
    return Scale(low - room * (high - low), high + room * (high - low))


class Panel(NamedTuple):
    """A place on the sheet, inches, and what its edges mean."""

    left: float
    bottom: float
    width: float
    height: float
    x: Scale = Scale(0.0, 1.0)
    y: Scale = Scale(0.0, 1.0)

    def at(self, x: Any, y: Any) -> np.ndarray:
        """Points on the sheet (point, 2), of data."""
        across = self.left + self.width * self.x.share(x)
        return np.stack([across, self.bottom + self.height * self.y.share(y)], -1)


class Sheet:
    """A figure in inches, from the lower left."""

    def __init__(self, height: float, width: float = FULL_WIDTH):
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height))
        self._lines: dict[int, list[tuple[np.ndarray, dict[str, Any]]]] = {}
        self._areas: list[tuple[np.ndarray, Any]] = []
        self._labels = Labels()
        self._add(self._labels, 5)

    def _add(self, artist: Artist, layer: float) -> None:
        artist.set(transform=self.figure.dpi_scale_trans, zorder=layer)
        self.figure.add_artist(artist)

    def line(self, points: np.ndarray, colour: str, width: float = 1.6, **more: Any) -> None:
        """Points (point, 2) in inches; NaN breaks the line.

        Arguments:
            more: `dash` as in `style.dashes`, `layer`: higher ones lie above.
        """
        dash, layer = more.get("dash") or (), more.get("layer", 2)
        style = (0, dash) if dash else "-"
        kind = {"colors": colour, "linewidths": width, "linestyles": style}
        self._lines.setdefault(layer, []).append((points, kind))

    def area(self, points: np.ndarray, colour: str, opacity: float = 1.0) -> None:
        """A polygon of points (point, 2) in inches, beneath all lines but the grid."""
        self._areas.append((points, to_rgba(colour, opacity)))

    def band(self, panel: Panel, x: np.ndarray, low: Any, high: Any, colour: str) -> None:
        """Between two curves, where both are known."""
        lower, upper = panel.at(x, low), panel.at(x, high)
        known = np.isfinite(lower + upper).all(1)
        self.area(np.concatenate([lower[known], upper[known][::-1]]), colour, 0.2)

    def mark(self, point: np.ndarray, colour: str) -> None:
        """A dot at a point in inches."""
        self._add(Line2D(*point[:, None], marker="o", ms=7, mew=0, color=colour), 4)

    def text(self, x: float, y: float, text: str, *how: Any, **more: Any) -> None:
        """Arguments as of `Label`."""
        self._labels.all.append(Label(x, y, text, *how, **more))

    def frame(self, panel: Panel, title: str, unit: str = "", below: str = "") -> None:
        """Axes with ticks, lines across, a title, units at its end, the name of x beneath."""
        left, bottom, right = panel.left, panel.bottom, panel.left + panel.width
        top = bottom + panel.height
        corner = np.array([[left, top], [left, bottom], [right, bottom]])
        self.line(corner, INK, 0.8, layer=3)
        for x in panel.x.ticks(6):
            at = left + panel.width * float(panel.x.share(x))
            self.line(np.array([[at, bottom], [at, bottom - 0.04]]), INK, 0.8, layer=3)
            self.text(at, bottom - 0.18, told(x), SMALL, side="center")
        for y in panel.y.ticks(5):
            at = bottom + panel.height * float(panel.y.share(y))
            self.line(np.array([[left, at], [right, at]]), FAINT, 0.6, layer=1)
            self.text(left - 0.06, at - 0.04, told(y), SMALL, side="right")
        self.text(left, top + 0.08, title, bold=True)
        self.text(right, top + 0.08, unit, SMALL, side="right", colour=SOFT)
        self.text((left + right) / 2, bottom - 0.36, below, side="center")

    def legend(self, styles: Styles, heading: str) -> None:
        """A heading and named lines, at the top."""
        self.text(LEFT, self.height - 0.16, heading, LARGE, bold=True)
        for name, (x, row) in _in_rows(styles, self.width).items():
            y = self.height - 0.4 - 0.2 * row
            colour, dash = styles[name]
            self.line(np.array([[x, y], [x + 0.28, y]]), colour, 2.0, dash=dash)
            self.text(x + 0.35, y - 0.045, name)

    def done(self) -> Figure:
        """The figure, with all that was asked for."""
        if self._areas:
            shapes, tints = zip(*self._areas, strict=True)
            self._add(PolyCollection(shapes, facecolors=tints, linewidths=0), 1.5)
        for layer, lines in self._lines.items():
            kinds: dict[str, Any] = {k: [of[k] for _, of in lines] for k in lines[0][1]}
            self._add(LineCollection([at for at, _ in lines], **kinds), layer)
        return self.figure


def head(names: Iterable[str]) -> float:
    """Room for a legend, inches."""
    return 0.5 + 0.2 * max((row for _, row in _in_rows(names, FULL_WIDTH).values()), default=0)


def _in_rows(names: Iterable[str], width: float) -> dict[str, tuple[float, int]]:
    """Left end and row of each entry of a legend."""
    places, x, row = {}, LEFT, 0
    for name in names:
        needed = 0.35 + width_of(name)
        if x > LEFT and x + needed > width:
            x, row = LEFT, row + 1
        places[name] = x, row
        x += needed + 0.22
    return places


def told(value: float) -> str:
    """A tick, short: 0.05, 1000, 10⁻⁵."""
    text = f"{value:.6g}"
    if value and not 1e-4 <= abs(value) < 1e6:
        power = int(np.floor(np.log10(abs(value)) + 1e-9))
        mantissa = f"{value / 10.0**power:.3g}"
        raised = str(power).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
        text = f"{mantissa}·10{raised}".removeprefix("1·")
    return text.replace("-", "−")


def grid(count: int, columns: int, top: float, height: float = 1.35) -> list[Panel]:
    """Places of panels in rows, below `top` inches; see `tall` for how high that is."""
    wide = FULL_WIDTH / columns
    places = []
    for i in range(count):
        row, column = divmod(i, columns)
        bottom = top - (row + 1) * (height + ABOVE + BELOW) + BELOW
        places.append(Panel(column * wide + LEFT, bottom, wide - LEFT - RIGHT, height))
    return places


def tall(count: int, columns: int, height: float = 1.35) -> float:
    """Inches that a grid of panels takes, with the name of the x axis."""
    return -(-count // columns) * (height + ABOVE + BELOW) + AXIS
