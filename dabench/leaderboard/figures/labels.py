"""Texts of figures, set quickly: single lines on their baselines need no layout."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist, allow_rasterization
from matplotlib.backend_bases import RendererBase
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from dabench.leaderboard.figures.style import FONT, INK

TEXT, SMALL, LARGE = 8.5, 8.0, 10.0
"""Of titles and names, of ticks, and of what heads a figure; points."""

BEFORE = {"left": 0.0, "center": 0.5, "right": 1.0}
"""Which part of a text lies left of its place."""


class Label(NamedTuple):
    x: float
    y: float
    text: str
    size: float = TEXT
    bold: bool = False
    side: str = "left"
    colour: str = INK


class Labels(Artist):
    """All labels of a figure, in the units of its transform.

    `Text` seeks the box of every text, which takes ten times as long as to draw it.
    """

    def __init__(self):
        super().__init__()
        self.all: list[Label] = []
        self._sides = {side: Text(ha=side, va="baseline") for side in BEFORE}

    @allow_rasterization
    def draw(self, renderer: RendererBase) -> None:
        to_pixels = self.get_transform()
        for label in self.all:
            anchor = self._sides[label.side]
            anchor.set_transform(to_pixels)
            anchor.set_position((label.x, label.y))
            _draw(renderer, label, anchor, *to_pixels.transform((label.x, label.y)))


def _draw(renderer: RendererBase, label: Label, anchor: Text, x: float, y: float) -> None:
    """At a place in pixels; an SVG takes the side from `anchor`, so that any font will do."""
    inch = float(np.asarray(renderer.points_to_pixels(72.0)))
    left = x - BEFORE[label.side] * inch * width_of(label.text, label.size, label.bold)
    down = renderer.get_canvas_width_height()[1] - y if renderer.flipy() else y
    gc = renderer.new_gc()
    gc.set_foreground(label.colour)
    renderer.draw_text(gc, left, down, label.text, font(label.size, label.bold), 0, False, anchor)
    gc.restore()


@lru_cache
def font(size: float, bold: bool) -> FontProperties:
    return FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")


@lru_cache(4096)
def width_of(text: str, size: float = TEXT, bold: bool = False) -> float:
    """Inches."""
    return text_to_path.get_text_width_height_descent(text, font(size, bold), False)[0] / 72
