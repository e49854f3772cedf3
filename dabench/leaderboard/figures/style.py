"""How figures look, and how they reach the disk: SVG for light and dark pages, PNG for slides."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from dabench.core.files import replace
from dabench.leaderboard.methods import COLOURS, Colour, colour_names, is_reference

PAGE_COLOURS = {
    "ink": Colour("#1b1f24", "#e6e8eb"),
    "soft": Colour("#59626d", "#a2abb6"),
    "line": Colour("#d3d7dc", "#3d444d"),
    "paper": Colour("#fefefe", "#15181d"),
}
"""Text, text beside it, lines and background of pages and figures."""

INK, SOFT, FAINT, PAPER = (colour.light for colour in PAGE_COLOURS.values())

Styles = Mapping[str, tuple[str, Any]]
"""Colour and dash by name."""

FONT = "DejaVu Sans"

THEME: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": [FONT],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # where it is told, not sought
    "axes.labelsize": 8.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # texts come from results
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "dabench",
}


@contextmanager
def theme() -> Iterator[None]:
    """The settings of every figure, for the time of drawing it."""
    with mpl.rc_context(THEME):
        yield


def colours(methods: Sequence[str]) -> dict[str, str]:
    """One colour a method, on a light page."""
    return {method: COLOURS[name].light for method, name in colour_names(methods).items()}


def styles_of(methods: Sequence[str]) -> Styles:
    """Colour and dash of the line of each method."""
    tints = colours(methods)
    return {method: (tints[method], dash_of(method)) for method in methods}


def dash_of(method: str) -> Any:
    """Dashed for references, dotted for profiles of a method, solid for the rest."""
    if is_reference(method):
        return (4, 2)
    return (1.2, 1.2) if "-" in method else ""


def save(figure: Figure, out: Path, name: str) -> list[Path]:
    """Write `name.svg`, `name-dark.svg` and `name.png`; the same figure gives the same bytes."""
    svg = _render(figure, "svg")
    figure.set_layout_engine("none")  # it is laid out now
    files = {f"{name}.svg": svg, f"{name}-dark.svg": darken(svg)}
    files[f"{name}.png"] = _render(figure, "png")
    out.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        replace(out / file, content)
    return [out / file for file in files]


def png(figure: Figure, dpi: int = 80) -> bytes:
    """The figure as one picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None}, dpi=dpi)
    return buffer.getvalue()


def _render(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=metadata, dpi=150)
    return _rounded(buffer.getvalue()) if kind == "svg" else buffer.getvalue()


def _rounded(svg: bytes) -> bytes:
    """Coordinates with two decimals, of a point, are as good as six."""
    return GEOMETRY.sub(lambda found: DECIMALS.sub(rb"\1", found[0]), svg)


GEOMETRY = re.compile(rb'\b(?:d|x|y|transform|points)="[^"]*"')
DECIMALS = re.compile(rb"(\.\d\d)\d+")


def darken(svg: bytes) -> bytes:
    """The same picture with the colours of a dark page; coloured maps stay as they are."""
    for light, dark in (*PAGE_COLOURS.values(), *COLOURS.values()):
        svg = svg.replace(light.encode(), dark.encode())
    return svg


def themed(figure: Figure) -> bytes:
    """One SVG in the colours of a light page or of a dark one, whichever shows it."""
    svg, sides = _render(figure, "svg"), ["", ""]
    for pair in (*PAGE_COLOURS.values(), *COLOURS.values()):
        name = f"--{pair[0][1:]}"
        svg = svg.replace(pair[0].encode(), f"var({name})".encode())
        sides = [f"{rules}{name}:{tint};" for rules, tint in zip(sides, pair, strict=True)]
    style = (
        f"<style>svg{{{sides[0]}}}@media (prefers-color-scheme:dark){{svg{{{sides[1]}}}}}</style>"
    )
    return svg.replace(b"<metadata>", f"{style}<metadata>".encode(), 1)


FULL_WIDTH = 9.0
"""Figures are shown at one width, so that all letters are of one size; inches."""
