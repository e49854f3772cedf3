"""Drawing SVG by hand: a sheet, and panels with axes. One file serves light and dark pages.

Matplotlib takes a second for what is a few hundred numbers here; a site has hundreds of figures.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from dabench.plots.style import COLOURS, OTHERS, REFERENCES

WIDTH = 960.0
"""Of every sheet, in its own units: about a pixel each."""

LETTER = 6.3
"""Width of a letter, about."""

STYLE = (
    "text{font:11px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
    "fill:#1b1f24}.b{font-weight:700}.h{font-size:13px;font-weight:700}.e{text-anchor:end}"
    ".m{text-anchor:middle}.p{fill:#fefefe}.g{stroke:#d3d7dc;stroke-width:.7}"
    ".i{stroke:#1b1f24}.t{stroke-width:2.4}.o{opacity:.6}.v{fill:#8b949e;opacity:.16}polyline,path{fill:none;stroke-width:1.7;"
    "stroke-linejoin:round}"
)
DARK = "text{fill:#e6e8eb}.p{fill:#15181d}.g{stroke:#3d444d}.i{stroke:#e6e8eb}"


class Sheet:
    """A drawing that grows; coordinates go right and down."""

    def __init__(self, height: float, title: str, width: float = WIDTH):
        self.height, self.width, self.title = height, width, title
        self.parts: list[str] = []
        self.inks: dict[str, str] = {}

    def ink(self, method: str) -> str:
        """The class of a method's colour: s.. for strokes, f.. to fill."""
        return self.inks.setdefault(method, str(len(self.inks)))

    def text(self, x: float, y: float, text: str, kind: str = "") -> None:
        named = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{x:.0f}" y="{y:.0f}"{named}>{escape(text)}</text>')

    def line(self, x: float, y: float, x2: float, y2: float, kind: str = "g") -> None:
        self.parts.append(f'<path class="{kind}" d="M{x:.1f} {y:.1f}L{x2:.1f} {y2:.1f}"/>')

    def box(self, x: float, y: float, wide: float, high: float, kind: str) -> None:
        shape = f'x="{x:.1f}" y="{y:.1f}" width="{max(wide, 0):.1f}" height="{max(high, 0):.1f}"'
        self.parts.append(f'<rect class="{kind}" {shape}/>')

    def curve(self, x: np.ndarray, y: np.ndarray, kind: str, dash: str = "") -> None:
        """Through the points that are finite; a gap where one is not."""
        pattern = f' stroke-dasharray="{dash}"' if dash else ""
        for points in _pieces(x, y):
            self.parts.append(f'<polyline class="{kind}"{pattern} points="{points}"/>')

    def area(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> None:
        good = np.isfinite(low) & np.isfinite(high)
        around = (
            np.concatenate([x[good], x[good][::-1]]),
            np.concatenate([low[good], high[good][::-1]]),
        )
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(*around, strict=True))
        self.parts.append(f'<polygon class="{kind}" opacity=".22" points="{points}"/>')

    def dot(self, x: float, y: float, radius: float, kind: str) -> None:
        self.parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')

    def image(self, x: float, y: float, wide: float, high: float, link: str) -> None:
        shape = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
        self.parts.append(f'<image {shape} preserveAspectRatio="none" href="{link}"/>')

    def legend(self, methods: Sequence[str], heading: str) -> float:
        """Heading and methods from the top on; returns where they end."""
        self.text(4, 16, heading, "h")
        x, y = 4.0, 36.0
        for method in methods:
            wide = 34 + LETTER * len(method) + 16
            if x + wide > self.width:
                x, y = 4.0, y + 18
            ends = np.array([x, x + 26]), np.array([y - 4, y - 4])
            self.curve(*ends, f"s{self.ink(method)}", dash(method))
            self.text(x + 32, y, method)
            x += wide
        return y + 8

    def svg(self) -> str:
        """The whole file."""
        light, dark = _colours(self.inks)
        style = f"{STYLE}{light}@media (prefers-color-scheme:dark){{{DARK}{dark}}}"
        size = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        size += f' width="{self.width:.0f}" height="{self.height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
        paper = '<rect class="p" width="100%" height="100%"/>'
        title = f"<title>{escape(self.title)}</title><style>{style}</style>"
        return f"{head}{title}{paper}{''.join(self.parts)}</svg>\n"


def _pieces(x: np.ndarray, y: np.ndarray) -> Iterable[str]:
    good = np.isfinite(x) & np.isfinite(y)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(int), [0]])))
    for start, stop in zip(ends[::2], ends[1::2], strict=True):
        pairs = zip(x[start:stop], y[start:stop], strict=True)
        yield " ".join(f"{a:.1f},{b:.1f}" for a, b in pairs)


def _colours(inks: Mapping[str, str]) -> tuple[str, str]:
    """Rules for light and dark; methods that nobody knows take turns."""
    unknown = [m for m in inks if m.split("-")[0] not in COLOURS]
    sides = ["", ""]
    for method, name in inks.items():
        known = COLOURS.get(method.split("-")[0])
        pair = known or OTHERS[unknown.index(method) % len(OTHERS)]
        for i, tint in enumerate(pair):
            sides[i] += f".s{name}{{stroke:{tint}}}.f{name}{{fill:{tint}}}"
    return sides[0], sides[1]


def dash(method: str) -> str:
    """Dashed for references, dotted for profiles of a method, solid for the rest."""
    if method.split("-")[0] in REFERENCES:
        return "6 3"
    return "2 2.5" if "-" in method else ""


@dataclass(frozen=True)
class Panel:
    """Axes in a rectangle of a sheet (x, y, width, height), with ranges, each linear or not."""

    sheet: Sheet
    where: tuple[float, float, float, float]
    x: tuple[float, float]
    y: tuple[float, float]
    log_x: bool = False
    log_y: bool = False

    def across(self, values: np.ndarray) -> np.ndarray:
        left, _, wide, _ = self.where
        return left + wide * _share(values, self.x, self.log_x)

    def down(self, values: np.ndarray) -> np.ndarray:
        """Never far out of the panel."""
        _, top, _, high = self.where
        share = _share(values, self.y, self.log_y)
        return top + high * (1 - np.clip(share, -0.02, 1.03))

    def frame(self, title: str, below: str = "", unit: str = "") -> None:
        """Title, unit, grid, ticks."""
        left, top, wide, _ = self.where
        self.sheet.text(left - 2, top - 8, title, "b")
        if unit:
            self.sheet.text(left + wide, top - 8, unit, "e")
        for tick in _ticks(self.y, self.log_y):
            y = float(self.down(np.array(tick)))
            self.sheet.line(left, y, left + wide, y)
            self.sheet.text(left - 5, y + 4, said(tick), "e")
        self.ticks_below(below)

    def ticks_below(self, below: str = "") -> None:
        left, top, wide, high = self.where
        for tick in _ticks(self.x, self.log_x):
            x = float(self.across(np.array(tick)))
            self.sheet.line(x, top + high, x, top + high + 4)
            self.sheet.text(x, top + high + 16, said(tick), "m")
        if below:
            self.sheet.text(left + wide / 2, top + high + 30, below, "m")

    def curve(self, x: np.ndarray, y: np.ndarray, kind: str, pattern: str = "") -> None:
        self.sheet.curve(self.across(x), self.down(y), kind, pattern)

    def area(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> None:
        self.sheet.area(self.across(x), self.down(low), self.down(high), kind)


def _share(values: np.ndarray, ends: tuple[float, float], log: bool) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        v, low, high = (np.asarray(a, float) for a in (values, *ends))
        if log:
            v, low, high = np.log10(v), np.log10(low), np.log10(high)
        return (v - low) / np.where(high > low, high - low, 1.0)


def _ticks(ends: tuple[float, float], log: bool) -> list[float]:
    low, high = ends
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1, 2, 5) if math.log10(high / low) < 2.2 else (1,)
        every = max(1, len(powers) // 6)
        found = [s * 10.0**p for p in list(powers)[::every] for s in steps]
    else:
        step = _step((high - low) / 4)
        found = [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [t for t in found if low * (1 - 1e-9) <= t <= high * (1 + 1e-9) or (not t and low <= 0)]


def _step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, the next above."""
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(s * power for s in (1.0, 2.0, 5.0, 10.0) if s * power >= rough * 0.999)


def said(value: float) -> str:
    """A tick's number."""
    text = f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0e}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def span(values: Iterable[np.ndarray]) -> tuple[tuple[float, float], bool]:
    """The range that shows nearly all of some positive series, and whether by its logarithm."""
    found = np.concatenate([np.ravel(v) for v in values] or [np.ones(1)])
    found = found[np.isfinite(found)]
    if not len(found):
        return (0.0, 1.0), False
    low, high = float(found.min()), float(found.max())
    if low > 0 and np.quantile(found, 0.98) > 8 * np.quantile(found, 0.02):
        return (low / 1.1, high * 1.1), True
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return (min(0.0, low - pad) if low >= 0 and low < 0.6 * high else low - pad, high + pad), False
