"""Skill against cost: which points, which front, and names that can be read."""

import itertools

import mock_run
import numpy as np
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from dabench.leaderboard.cost_and_skill import cost_and_skill, geometric_mean
from dabench.leaderboard.figures.pareto import pareto
from dabench.leaderboard.figures.style import LIGHT, look

CELL = ("x", None)


def one(method, seconds, crps, seed=0):
    """A run of one cell with this CRPS and these seconds a cycle."""
    cost = {"wall_seconds_a_cycle": seconds}
    return mock_run.scores({(CELL, "crps"): crps}, method=method, seed=seed, cost=cost)


def test_the_front_is_of_methods_that_none_beats_in_skill_and_cost():
    runs = [one("ensemble", 1, 4.0), one("good", 3, 1.0), one("dear", 9, 1.5), one("mean", 2, 2.0)]
    (axes,) = pareto(runs, CELL, LIGHT).axes
    front = axes.lines[0].get_xydata()
    np.testing.assert_allclose(front, [(1, 1.0), (2, 0.5), (3, 0.25)])
    assert len(axes.lines) == 1 + len(runs)


def test_skill_is_of_the_seeds_in_common():
    free = [one("ensemble", 1.0, 1.0 + seed, seed) for seed in range(5)]
    others = [one("good", 1.0, 0.5, 0), one("alone", 1.0, 0.5, 7)]
    (content,) = cost_and_skill([*free, *others], CELL)
    (points,) = content.points.values()
    assert points == {"ensemble": (1.0, 1.0), "good": (1.0, 0.5)}
    assert content.methods == {"ensemble", "good"}


def test_fields_that_are_observed_and_others_are_never_averaged_together():
    """Each has its own skill: 0.1 and 0.8, whose common mean 0.28 nothing shows."""
    other = ("z", 500.0)
    group = {"variables": [CELL[0]], "levels": ["all"]}
    scenario = mock_run.IDENTITY["scenario"] | {"observations": [group]}
    values = {"ensemble": (1.0, 1.0), "good": (0.1, 0.8)}
    runs = [
        mock_run.scores({(CELL, "crps"): a, (other, "crps"): b}, method=name, scenario=scenario,
                        cost={"wall_seconds_a_cycle": 1.0})
        for name, (a, b) in values.items()
    ]  # fmt: skip
    skills = {
        kind.skill: points["good"].skill
        for kind in cost_and_skill(runs, CELL)
        for points in kind.points.values()
    }
    assert {name.split(", ")[-1]: pytest.approx(value) for name, value in skills.items()} == {
        "observed fields": 0.1,
        "not observed fields": 0.8,
    }


def test_a_geometric_mean_needs_every_ratio():
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([0.5, None]) is None
    assert geometric_mean([]) is None


def test_names_of_points_that_lie_close_are_set_apart():
    names = [f"a_long_name_{i}" for i in range(6)]
    runs = [one(name, 1.0 + i / 100, 1.0 + i / 100) for i, name in enumerate(names)]
    with look(LIGHT):
        figure = pareto([*runs, one("far", 9.0, 3.0)], CELL, LIGHT)
        figure.draw_without_rendering()
        boxes = [Text.get_window_extent(name).padded(-2) for name in figure.axes[0].texts]
    assert len(boxes) == 7
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_names_lie_beside_the_line_of_the_best():
    runs = [one(name, 2.0**i, 2.0**-i) for i, name in enumerate(["ensemble", "aa", "bb", "cc"])]
    with look(LIGHT):
        figure = pareto(runs, CELL, LIGHT)
        figure.draw_without_rendering()
        (axes,) = figure.axes
        corners = axes.transData.transform(axes.lines[0].get_xydata())
        boxes = [Text.get_window_extent(name) for name in axes.texts]
    for (x, y), (next_x, next_y) in itertools.pairwise(corners):
        across, down = Bbox([[x, y], [next_x, y]]), Bbox([[next_x, next_y], [next_x, y]])
        assert not any(box.overlaps(step) for box in boxes for step in (across, down))
