"""Skill against cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dabench.leaderboard.figures.labels import width_of
from dabench.leaderboard.figures.sheet import Panel, Sheet, grid, scale_of, tall
from dabench.leaderboard.figures.style import INK, colours
from dabench.leaderboard.format import title
from dabench.leaderboard.methods import in_order
from dabench.scores.headlines import REFERENCE
from dabench.scores.record import GLOBAL, Cell, Scores
from dabench.scores.seeds import in_common, over_seeds

Box = tuple[float, float, float, float]

HIGH = 2.4
"""Of the panels, inches."""

AXES = {
    "wall_seconds_a_cycle": "wall seconds a cycle, all members",
    "evaluations": "denoiser evaluations a member and cycle",
}


def pareto(runs: Sequence[Scores], cell: Cell) -> Figure | None:
    """CRPS against cost, a point a method, medians over seeds; None where nothing has both.

    CRPS is that of all variables and levels over the unconditional ensemble's (geometric mean), or
    of one cell where there is no such row.
    """
    found = costs_and_skill(runs, cell)
    if found is None:
        return None
    shown, what = found
    sheet = Sheet(tall(1, len(shown), HIGH))
    for place, (label, points) in zip(
        grid(len(shown), len(shown), sheet.height, HIGH), shown.items(), strict=True
    ):
        x, y = (
            scale_of(np.array(v), log=True, room=0.12) for v in zip(*points.values(), strict=True)
        )
        panel = place._replace(x=x, y=y)
        sheet.frame(panel, what, below=label)
        _points(sheet, panel, points)
    return sheet.done()


def costs_and_skill(
    runs: Sequence[Scores], cell: Cell
) -> tuple[dict[str, dict[str, tuple[float, float]]], str] | None:
    """(cost, skill) by kind of cost and method, and what the skill is; None where there is none."""
    names = in_order({run.method for run in runs})
    by_method = {name: [run for run in runs if run.method == name] for name in names}
    skill, what = _skill(by_method, cell)
    shown = {}
    for cost, label in AXES.items():
        points = {m: (_cost(by_method[m], cost), skill[m]) for m in names}
        points = {m: p for m, p in points.items() if p[0] and p[1]}
        if len(points) > 1 or (points and cost == "wall_seconds_a_cycle"):
            shown[label] = points
    return (shown, what) if shown else None


def _skill(by_method: Mapping[str, list[Scores]], cell: Cell) -> tuple[dict[str, Any], str]:
    if REFERENCE not in by_method:
        found = {m: _crps(runs, cell) for m, runs in by_method.items()}
        return found, f"CRPS, {title(*cell)}"
    ratios = {m: _ratio(runs, by_method[REFERENCE]) for m, runs in by_method.items()}
    return ratios, f"CRPS over {REFERENCE}'s, geometric mean"


def _crps(runs: Sequence[Scores], cell: Cell) -> float | None:
    return over_seeds(run.value(cell, "crps") for run in runs).median


def _ratio(ours: Sequence[Scores], theirs: Sequence[Scores]) -> float | None:
    """Geometric mean over all cells, seeds in common; None where a cell has none."""
    a, b = in_common(ours, theirs)
    keys = b[0].scores if b else ()
    cells = [key.cell for key in keys if (key.metric, key.region) == ("crps", GLOBAL)]
    pairs = [(_crps(a, cell), _crps(b, cell)) for cell in cells]
    known = [x / y for x, y in pairs if x and y]
    whole = bool(known) and len(known) == len(pairs)
    return float(np.exp(np.mean(np.log(known)))) if whole else None


def _cost(runs: Sequence[Scores], name: str) -> float | None:
    by_cycle = name == "evaluations"
    costs = [run.evaluations_a_cycle if by_cycle else run.cost.get(name) for run in runs]
    return over_seeds(v for v in costs if v is not None).median


def _points(sheet: Sheet, panel: Panel, points: Mapping[str, tuple[float, float]]) -> None:
    """The methods, and a line to those that none beats in both."""
    at = dict(zip(points, panel.at(*zip(*points.values(), strict=True)), strict=True))
    front = panel.at(*zip(*_front(list(points.values())), strict=True))
    steps = np.repeat(front, 2, axis=0)
    steps[1::2, 0] = np.append(front[1:, 0], front[-1, 0])  # along, then down
    sheet.line(steps, INK, 0.8, dash=(1.0, 1.65))
    tints = colours(list(points))
    for method, point in at.items():
        sheet.mark(point, tints[method])
    _names(sheet, panel, at)


def _front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those that are better than all that are cheaper."""
    front, best = [], np.inf
    for x, y in sorted(points):
        if y < best:
            front.append((x, y))
            best = y
    return front


def _names(sheet: Sheet, panel: Panel, at: Mapping[str, np.ndarray]) -> None:
    """Each beside its point: at the first of four places where nothing is yet."""
    taken = [(x - 0.05, y - 0.05, x + 0.05, y + 0.05) for x, y in at.values()]
    for method, (x, y) in at.items():
        wide = width_of(method)
        places = [(x + dx, y + dy) for dy in (0.06, -0.15) for dx in (0.09, -0.09 - wide)]
        boxes = [(left, low, left + wide, low + 0.1) for left, low in places]
        inside = [b for b in boxes if panel.left < b[0] and b[2] < sheet.width]
        free = [b for b in inside if not any(_meet(b, other) for other in taken)]
        box = (free or inside or boxes)[0]
        taken.append(box)
        sheet.text(box[0], box[1], method)


def _meet(a: Box, b: Box) -> bool:
    """Whether two boxes (left, low, right, high) overlap."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
