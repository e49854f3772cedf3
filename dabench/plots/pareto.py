"""Skill against cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dabench.headlines import REFERENCE, Cell, in_order, title, values_of
from dabench.plots.style import INK, colours, logarithmic, panels
from dabench.seeds import over_seeds

Scores = Mapping[str, Any]
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
    figure, axes = panels(1, len(shown), width=4.5, height=3.0)
    for panel, (label, points) in zip(axes.flat, shown.items(), strict=True):
        _points(panel, points)
        panel.set(xlabel=label, ylabel=what)
    return figure


def costs_and_skill(
    runs: Sequence[Scores], cell: Cell
) -> tuple[dict[str, dict[str, tuple[float, float]]], str] | None:
    """(cost, skill) by kind of cost and method, and what the skill is; None where there is none."""
    names = in_order({run["method"] for run in runs})
    by_method = {name: [run for run in runs if run["method"] == name] for name in names}
    skill, what = _skill(by_method, cell)
    shown = {}
    for cost, label in AXES.items():
        points = {m: (_cost(by_method[m], cost), skill[m]) for m in names}
        points = {m: p for m, p in points.items() if p[0] and p[1]}
        if len(points) > 1 or (points and cost == "wall_seconds_a_cycle"):
            shown[label] = points
    return (shown, what) if shown else None


def _skill(by_method: Mapping[str, list[Scores]], cell: Cell) -> tuple[dict[str, Any], str]:
    values = {m: [values_of(run) for run in runs] for m, runs in by_method.items()}

    def crps(method: str, cell: Cell) -> float | None:
        found = (v.get((*cell, "crps"), {}).get("value") for v in values[method])
        return over_seeds(found).median

    if REFERENCE not in by_method:
        return {m: crps(m, cell) for m in by_method}, f"CRPS, {title(*cell)}"
    cells = [key[:2] for key in values[REFERENCE][0] if key[2] == "crps"]
    ratios = {}
    for m in by_method:
        pairs = [(crps(m, c), crps(REFERENCE, c)) for c in cells]
        known = [a / b for a, b in pairs if a and b]
        whole = bool(known) and len(known) == len(pairs)
        ratios[m] = float(np.exp(np.mean(np.log(known)))) if whole else None
    return ratios, f"CRPS over {REFERENCE}'s, geometric mean"


def _cost(runs: Sequence[Scores], name: str) -> float | None:
    if name != "evaluations":
        found = [run["cost"].get(name) for run in runs]
    else:
        totals = [(run["cost"].get(name), max(1, run["completed"])) for run in runs]
        found = [total / cycles if total else None for total, cycles in totals]
    return over_seeds(v for v in found if v is not None).median


def _points(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    palette = colours(list(points))
    for method, (x, y) in points.items():
        axes.plot(x, y, "o", color=palette[method], ms=7)
        axes.annotate(method, (x, y), (6, 4), textcoords="offset points", size=8)
    front, best = [], np.inf
    for x, y in sorted(points.values()):
        if y < best:
            front.append((x, y))
            best = y
    axes.step(*zip(*front, strict=True), where="post", color=INK, lw=0.8, ls=":")
    axes.set(xscale="log", yscale="log")
    for axis, values in zip(
        (axes.xaxis, axes.yaxis), zip(*points.values(), strict=True), strict=True
    ):
        logarithmic(axis, float(np.log10(max(values) / min(values))))
    axes.grid(True, axis="both")
    axes.margins(0.15)
