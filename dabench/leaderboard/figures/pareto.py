"""A figure of skill against cost."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.leaderboard.cost_and_skill import Point, cost_and_skill
from dabench.leaderboard.figures.panels import (
    Range,
    is_narrow,
    label,
    panels,
    set_range,
    text_width,
)
from dabench.leaderboard.figures.style import DOTTED, Palette
from dabench.leaderboard.methods import display_name
from dabench.scores.record import Cell, Scores

HEIGHT = 2.4
"""Height of a panel, inches."""
GAP, LINE, LINE_ROOM = 0.09, 0.14, 0.02
"""From a point to its name, between names, and from the dotted line to a name, inches."""
FONT_SIZE = 8.5
LETTERS = 36
"""Letters in a line of the title of a narrow panel."""


class Box(NamedTuple):
    """A rectangle in inches."""

    left: float
    low: float
    right: float
    high: float

    def meets(self, other: "Box") -> bool:
        """Whether two boxes overlap."""
        beside = self.left < other.right and other.left < self.right
        return beside and self.low < other.high and other.low < self.high

    def inside(self, panel: "Box") -> bool:
        """Whether the box lies in a panel."""
        across = panel.left < self.left and self.right < panel.right + 0.1
        return across and panel.low < self.low and self.high < panel.high + 0.02


def pareto(runs: Sequence[Scores], cell: Cell, palette: Palette) -> Figure | None:
    """Skill against cost: a row for each kind of fields, a panel for each kind of cost, a point
    for each method.

    None where no method has both a cost and a skill.
    """
    content = [
        (kind.skill, cost, points)
        for kind in cost_and_skill(runs, cell)
        for cost, points in kind.points.items()
    ]
    if not content:
        return None
    columns = 1 if is_narrow() else len({cost for _, cost, _ in content})
    figure, all_axes = panels(len(content), columns, above=0.1, height=HEIGHT)
    styles = palette.styles(run.method for run in runs)
    for i, (axes, (skill, cost, points)) in enumerate(zip(all_axes, content, strict=True)):
        heading = fill(skill, LETTERS) if is_narrow() else skill
        label(axes, palette, heading, x=cost if i + columns >= len(content) else "")
        values = np.array(list(points.values()))
        for name, column in zip(("x", "y"), values.T, strict=True):
            set_range(axes, name, Range.of(column, log=True, room=0.12), 6)
        _draw_front(axes, points.values(), palette)
        for method, point in points.items():
            colour = styles[method].colour
            axes.plot(*point, marker="o", ms=7, mew=0, color=colour, zorder=4, clip_on=False)
        _write_names(axes, points, palette)
    return figure


def _draw_front(axes: Axes, points: Iterable[Point], palette: Palette) -> None:
    """A dotted line along the methods that no method beats in both skill and cost."""
    best = front(points)
    cost = [point.cost for point in best]
    skill = [point.skill for point in best]
    style = {"color": palette.ink, "lw": 0.8, "linestyle": (0, DOTTED), "zorder": 3}
    axes.step(cost, skill, where="post", **style)


def front(points: Iterable[Point]) -> list[Point]:
    """The points that are better than all cheaper ones."""
    best: list[Point] = []
    for point in sorted(points):
        if not best or point.skill < best[-1].skill:
            best.append(point)
    return best


def _write_names(axes: Axes, points: Mapping[str, Point], palette: Palette) -> None:
    """Each name beside its point, at the nearest place where nothing is yet."""
    figure = axes.get_figure()
    inch = 1 / figure.dpi  # type: ignore[union-attr]
    panel = Box(*(inch * side for side in axes.get_window_extent().extents))
    at = dict(zip(points, inch * axes.transData.transform(list(points.values())), strict=True))
    taken = [Box(x - 0.05, y - 0.05, x + 0.05, y + 0.05) for x, y in at.values()]
    taken += _steps([inch * axes.transData.transform(point) for point in front(points.values())])
    for method, (x, y) in at.items():
        name = display_name(method)
        boxes = _boxes(x, y, text_width(name))
        inside = [box for box in boxes if box.inside(panel)]
        free = [box for box in inside if not any(box.meets(other) for other in taken)]
        box = (free or inside or boxes)[0]
        taken.append(box)
        axes.annotate(
            name,
            points[method],
            (72 * (box.left - x), 72 * (box.low - y)),
            textcoords="offset points",
            fontsize=FONT_SIZE,
            arrowprops=_leader(box, x, y, palette),
        )


def _steps(corners: Sequence[np.ndarray]) -> list[Box]:
    """Boxes around the line along the best methods: to the right, then down to the next one."""
    boxes = []
    for (x, y), (next_x, next_y) in pairwise(corners):
        boxes.append(Box(x, y - LINE_ROOM, next_x, y + LINE_ROOM))
        boxes.append(Box(next_x - LINE_ROOM, next_y, next_x + LINE_ROOM, y))
    return boxes


def _boxes(x: float, y: float, wide: float) -> list[Box]:
    """Boxes for a name to the right and left of a point, above and below, the nearest first."""
    heights = [side + step * LINE for step in range(9) for side in (0.06, -0.15 - 2 * step * LINE)]
    corners = [(x + dx, y + dy) for dy in heights for dx in (GAP, -GAP - wide)]
    return [Box(left, low, left + wide, low + 0.1) for left, low in corners]


def _leader(box: Box, x: float, y: float, palette: Palette) -> dict[str, Any] | None:
    """A thin line from a point to a name that is not right beside it."""
    if abs(box.low + 0.05 - y) < LINE:
        return None
    near_end = (0.0, 0.5) if box.left > x else (1.0, 0.5)
    line = {"arrowstyle": "-", "lw": 0.5, "color": palette.soft}
    return line | {"relpos": near_end, "shrinkA": 0, "shrinkB": 3}
