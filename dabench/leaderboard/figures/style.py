"""How figures look, and how they reach the disk: SVG for light and dark pages, PNG for slides."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from dabench.core.files import replace

INK, SOFT, FAINT, PAPER = "#1b1f24", "#59626d", "#d3d7dc", "#fefefe"
DARK = {INK: "#e6e8eb", SOFT: "#a2abb6", FAINT: "#3d444d", PAPER: "#15181d"}

# Okabe & Ito's colours, told apart by colour-blind readers; and the same, lighter, on black
COLOURS = {
    "fa_apf": ("#0072b2", "#4aa8e0"),
    "guided": ("#56b4e9", "#9bd3f5"),
    "letkf": ("#d55e00", "#f08a3c"),
    "enkf": ("#e69f00", "#f5bd45"),
    "oi": ("#009e73", "#35c9a0"),
    "bootstrap": ("#b5598a", "#dd92ba"),
    "kalman": ("#1b1f25", "#e6e8ec"),
    "ensemble": ("#767b83", "#9aa1ab"),
    "persistence": ("#9c8f6a", "#bdb08a"),
    "climatology": ("#a9adb3", "#6b727c"),
}
OTHERS = (("#5b4b9a", "#a093dc"), ("#7f9a1f", "#b3cf52"), ("#a03030", "#e07070"))
REFERENCES = ("ensemble", "persistence", "climatology", "kalman")
"""Methods that set the scale: drawn dashed."""

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


def colours(methods: list[str]) -> dict[str, str]:
    """One colour a method: the same in every figure for those that dabench knows."""
    unknown = [m for m in methods if m.split("-")[0] not in COLOURS]
    others = {m: OTHERS[i % len(OTHERS)][0] for i, m in enumerate(unknown)}
    return {m: others.get(m) or COLOURS[m.split("-")[0]][0] for m in methods}


def styles_of(methods: list[str]) -> Styles:
    """Colour and dash of the line of each method."""
    tints, patterns = colours(methods), dashes(methods)
    return {method: (tints[method], patterns[method]) for method in methods}


def dashes(methods: list[str]) -> dict[str, Any]:
    """Dashed for references, dotted for profiles of a method, solid for the rest."""
    kinds: dict[str, Any] = {m: (1.2, 1.2) if "-" in m else "" for m in methods}
    return {m: (4, 2) if m.split("-")[0] in REFERENCES else kind for m, kind in kinds.items()}


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
    pairs = DARK | dict(COLOURS.values()) | dict(OTHERS)
    for light, dark in pairs.items():
        svg = svg.replace(light.encode(), dark.encode())
    return svg


def themed(figure: Figure) -> bytes:
    """One SVG in the colours of a light page or of a dark one, whichever shows it."""
    svg, sides = _render(figure, "svg"), ["", ""]
    for pair in (*DARK.items(), *COLOURS.values(), *OTHERS):
        name = f"--{pair[0][1:]}"
        svg = svg.replace(pair[0].encode(), f"var({name})".encode())
        sides = [f"{rules}{name}:{tint};" for rules, tint in zip(sides, pair, strict=True)]
    style = (
        f"<style>svg{{{sides[0]}}}@media (prefers-color-scheme:dark){{svg{{{sides[1]}}}}}</style>"
    )
    return svg.replace(b"<metadata>", f"{style}<metadata>".encode(), 1)


FULL_WIDTH = 9.0
"""Figures are shown at one width, so that all letters are of one size; inches."""
