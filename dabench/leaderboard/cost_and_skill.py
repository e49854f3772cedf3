"""What the methods of a board cost, and how much better they are than the free ensemble."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dabench.leaderboard.format import title
from dabench.leaderboard.methods import display_name, in_order
from dabench.scores.headlines import REFERENCE
from dabench.scores.observed import kinds_of_fields
from dabench.scores.record import GLOBAL, Cell, Scores
from dabench.scores.seeds import in_common, over_seeds

COSTS = {
    "wall_seconds_a_cycle": "wall seconds for a cycle of all members",
    "evaluations": "denoiser evaluations for a member in a cycle",
}
"""Kinds of cost, and how an axis calls them."""


class Point(NamedTuple):
    """Cost and skill of a method, both the better the smaller."""

    cost: float
    skill: float


class CostAndSkill(NamedTuple):
    """The points of all methods that have both.

    Arguments:
        skill: What the skill is, in words.
        points: By the words of `COSTS`, and by method.
    """

    skill: str
    points: Mapping[str, Mapping[str, Point]]

    @property
    def methods(self) -> set[str]:
        """Methods that have a point for any kind of cost."""
        return {method for points in self.points.values() for method in points}


def cost_and_skill(runs: Sequence[Scores], cell: Cell) -> list[CostAndSkill]:
    """Medians over seeds of the cost and the CRPS of every method.

    CRPS is divided by the free ensemble's and averaged (geometric mean), once over the fields that
    are observed and once over the others; where no free ensemble was run it is that of one cell.
    """
    by_method = {
        method: [run for run in runs if run.method == method]
        for method in in_order({run.method for run in runs})
    }
    if REFERENCE not in by_method:
        crps = {method: _crps(own, cell) for method, own in by_method.items()}
        return [_with_cost(by_method, f"CRPS, {title(*cell)}", crps)]
    reference = by_method[REFERENCE]
    what = f"CRPS over the {display_name(REFERENCE).lower()}'s"
    return [
        _with_cost(
            by_method,
            f"{what}, {kind} fields",
            {method: _mean_ratio(own, reference, cells) for method, own in by_method.items()},
        )
        for kind, cells in kinds_of_fields(reference[0]).items()
    ]


def _with_cost(
    by_method: Mapping[str, Sequence[Scores]], words: str, skill: Mapping[str, float | None]
) -> CostAndSkill:
    points: dict[str, dict[str, Point]] = {}
    for cost, label in COSTS.items():
        costs = {method: _cost(own, cost) for method, own in by_method.items()}
        both = {
            method: Point(costs[method], skill[method])  # type: ignore[arg-type]
            for method in by_method
            if costs[method] and skill[method]
        }
        if len(both) > 1 or (both and cost == "wall_seconds_a_cycle"):
            points[label] = both
    return CostAndSkill(words, points)


def _crps(runs: Sequence[Scores], cell: Cell) -> float | None:
    return over_seeds(run.value(cell, "crps") for run in runs).median


def _mean_ratio(
    runs: Sequence[Scores], reference: Sequence[Scores], cells: Sequence[Cell]
) -> float | None:
    """Geometric mean over cells of the seeds in common; None where a cell has no ratio."""
    ours, theirs = in_common(runs, reference)
    if not theirs:
        return None
    scored = {key.cell for key in theirs[0].scores if (key.metric, key.region) == ("crps", GLOBAL)}
    pairs = [(_crps(ours, c), _crps(theirs, c)) for c in cells if c in scored]
    return geometric_mean([a / b if a and b else None for a, b in pairs])


def geometric_mean(ratios: Sequence[float | None]) -> float | None:
    """The mean of the logarithms as a ratio; None where a ratio is missing or zero."""
    usable = [ratio for ratio in ratios if ratio]
    if not usable or len(usable) < len(ratios):
        return None
    return float(np.exp(np.mean(np.log(usable))))


def _cost(runs: Sequence[Scores], name: str) -> float | None:
    a_cycle = name == "evaluations"
    costs = [run.evaluations_a_cycle if a_cycle else run.cost.get(name) for run in runs]
    return over_seeds(cost for cost in costs if cost is not None).median
