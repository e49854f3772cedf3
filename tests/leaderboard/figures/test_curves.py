"""Curves: they are the series of the scores, thinned, and end where seeds do."""

import mock_run
import numpy as np
import pytest
from figure_runs import run
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from dabench.leaderboard.figures import curves
from dabench.leaderboard.figures.style import LIGHT, LineStyle
from dabench.scores.files import score_run

CELLS = [("temperature", 500.0)]


def bands(axes):
    """The areas between curves that are not the spin-up's."""
    return [a for a in axes.collections if isinstance(a, PolyCollection)]


def test_curves_are_the_series_of_the_scores(scores):
    (axes,) = curves.metric(scores[1:], "rmse", CELLS, LIGHT).axes
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_ydata(), scores[1].series(CELLS[0], "rmse"), rtol=1e-12)
    np.testing.assert_allclose(line.get_xdata(), np.arange(10) / 2)
    assert axes.get_xlabel() == "days"
    assert axes.get_title("left") == "Temperature, 500 hPa"
    assert axes.get_title("right") == "K"


def test_seeds_of_a_method_become_a_band(tmp_path):
    scores = [score_run(run(tmp_path / str(s), "guess", seed=s)) for s in (0, 1)]
    (axes,) = curves.metric(scores, "rmse", CELLS, LIGHT).axes
    (band,) = bands(axes)
    both = np.stack([run.series(CELLS[0], "rmse") for run in scores])
    corners = band.get_paths()[0].vertices[:, 1]
    assert {*both.min(0).round(9), *both.max(0).round(9)} <= {*corners.round(9)}


@pytest.mark.parametrize(("root", "mean"), [(True, np.sqrt(12.5)), (False, 3.5)])
def test_long_series_are_averaged_over_blocks(root, mean):
    scores = mock_run.scores(seconds=np.arange(5001.0))
    series = np.array([np.nan, 4.0, *[3.0, 4.0] * 2499])  # one that is missing voids no block
    time, values = curves.thinned(scores, series, root=root)
    assert len(time) == len(values) <= curves.POINTS
    np.testing.assert_allclose(values, mean, rtol=0.02)


def test_a_line_ends_where_half_of_the_seeds_have_and_is_the_median_before():
    nan, axes = np.nan, Figure().add_subplot()
    values = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, nan], [6.0, nan, nan]])
    curves._draw(axes, curves.Curves(np.arange(3.0), values), LineStyle("k", ()))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [2.0, 2.0, nan])
    (band,) = bands(axes)
    assert {x for x, _ in band.get_paths()[0].vertices} == {0.0}  # only there all seeds are


def test_a_legend_names_the_methods_that_have_a_line(scores):
    series = {key: v for key, v in scores[1].every_cycle.items() if key.metric != "crps"}
    bare = scores[1].replace(method="bare", every_cycle=series)
    for name, methods in (("rmse", ["bare", "guess"]), ("crps", ["guess"])):
        (legend,) = curves.metric([scores[1], bare], name, CELLS, LIGHT).legends
        assert [text.get_text() for text in legend.get_texts()] == methods
