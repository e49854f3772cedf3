"""How figures look, and how they become files: SVG for light and dark pages, PNG for slides.

A figure is drawn in the colours of a `Palette`. `LIGHT` and `DARK` are those of the pages; `KEYS`
has a key for each colour in its place, so that one SVG serves pages of both kinds.
"""

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from dabench.core.files import replace
from dabench.leaderboard.figures.pixels import indexed
from dabench.leaderboard.methods import COLOURS, Colour, colour_names, in_order, is_reference

PAGE_COLOURS = {
    "ink": Colour("#1b1f24", "#e6e8eb"),
    "soft": Colour("#59626d", "#a2abb6"),
    "line": Colour("#d3d7dc", "#3d444d"),
    "paper": Colour("#fefefe", "#15181d"),
}
"""Text, text beside it, lines, and the background of pages and figures."""

Dash = tuple[float, ...]
"""Lengths of dashes and gaps in widths of the line; empty for a solid line."""
DASHED, DOTTED = (4.0, 2.0), (1.2, 1.2)


class LineStyle(NamedTuple):
    """How the line of a method looks."""

    colour: str
    dash: Dash

    @property
    def pattern(self) -> Any:
        """The dash as matplotlib takes it."""
        return (0, self.dash) if self.dash else "-"


class Palette(NamedTuple):
    """The colours of a figure.

    Arguments:
        ink, soft, line, paper: As in `PAGE_COLOURS`.
        methods: Colours of methods by the names of `methods.COLOURS`.
    """

    ink: str
    soft: str
    line: str
    paper: str
    methods: Mapping[str, str]

    def styles(self, methods: Iterable[str]) -> dict[str, LineStyle]:
        """Style of the line of each method, in the order of tables."""
        names = colour_names(methods)
        return {m: LineStyle(self.methods[names[m]], dash_of(m)) for m in in_order(names)}


def dash_of(method: str) -> Dash:
    """Dashed for references, dotted for profiles of a method, solid for the rest."""
    if is_reference(method):
        return DASHED
    return DOTTED if "-" in method else ()


ROLES = PAGE_COLOURS | {f"m-{name}": colour for name, colour in COLOURS.items()}
"""Every colour by the name of its variable in the style sheet."""


def _palette(colours: Mapping[str, str]) -> Palette:
    methods = {name: colours[f"m-{name}"] for name in COLOURS}
    return Palette(*(colours[name] for name in PAGE_COLOURS), methods=methods)


LIGHT = _palette({role: colour.light for role, colour in ROLES.items()})
DARK = _palette({role: colour.dark for role, colour in ROLES.items()})
KEY_OF_ROLE = {role: f"#abcd{place:02x}" for place, role in enumerate(ROLES)}
KEYS = _palette(KEY_OF_ROLE)
"""Colours that are only keys, a different one for each role; `themed` puts variables for them."""

FONT = "DejaVu Sans"


def _settings(palette: Palette) -> dict[Any, Any]:
    """Settings of matplotlib."""
    inked = ("axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "text.color", "xtick.color",
             "ytick.color")  # fmt: skip
    return dict.fromkeys(inked, palette.ink) | {
        "font.family": "sans-serif",
        "font.sans-serif": [FONT],
        "font.size": 9,
        "axes.titlesize": 8.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titley": 1.0,  # so that it need not be searched for
        "axes.labelsize": 8.5,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "axes.linewidth": 0.8,
        "grid.color": palette.line,
        "grid.linewidth": 0.6,
        "image.composite_image": False,  # each map has an image of its own
        "text.parse_math": False,  # texts come from results
        "xtick.labelsize": 8,
        "xtick.major.size": 3,
        "ytick.labelsize": 8,
        "ytick.major.size": 0,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "lines.linewidth": 1.6,
        "figure.facecolor": palette.paper,
        "savefig.facecolor": palette.paper,
        "svg.fonttype": "none",
        "svg.hashsalt": "dabench",
    }


@contextmanager
def look(palette: Palette) -> Iterator[None]:
    """The look of every figure that is made and saved inside."""
    with mpl.rc_context(_settings(palette)):
        yield


def save(file: Path, figure: Figure) -> Path:
    """Write a figure as SVG or PNG; the same figure gives the same bytes."""
    content = svg(figure) if file.suffix == ".svg" else _render(figure, "png")
    file.parent.mkdir(parents=True, exist_ok=True)
    replace(file, content)
    return file


def svg(figure: Figure) -> bytes:
    """A figure as SVG, its coordinates to a hundredth of a point."""
    rounded = GEOMETRY.sub(lambda match: DECIMALS.sub(rb"\1", match[0]), _render(figure, "svg"))
    return indexed(rounded)


def _render(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(buffer, format=kind, metadata=metadata, dpi=150)
    return buffer.getvalue()


GEOMETRY = re.compile(rb'\b(?:d|x|y|transform|points)="[^"]*"')
DECIMALS = re.compile(rb"(\.\d\d)\d+")


def themed(keyed: bytes) -> bytes:
    """An SVG that follows the page, light or dark, from one that was drawn with `KEYS`."""
    light = "".join(f"--{role}:{colour.light};" for role, colour in ROLES.items())
    dark = "".join(f"--{role}:{colour.dark};" for role, colour in ROLES.items())
    for role, key in KEY_OF_ROLE.items():
        keyed = keyed.replace(key.encode(), f"var(--{role})".encode())
    style = f"<style>svg{{{light}}}@media (prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    return keyed.replace(b"<metadata>", f"{style}<metadata>".encode(), 1)
