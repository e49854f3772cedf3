"""Histograms and spectra: heights, units, names."""

import mock_run
import numpy as np
from matplotlib.patches import StepPatch

from dabench.leaderboard.figures.consistency import ROW, ranks, spectra
from dabench.leaderboard.figures.style import LIGHT
from dabench.leaderboard.format import squared


def test_a_histogram_shows_shares_and_is_cut_at_three():
    bins = np.array([0.8, 0.0, 0.125, 0.075])
    run = mock_run.scores(method="mine", histograms={("x", None): bins})
    (axes,) = ranks([run], [("x", None)], LIGHT).axes
    (patch,) = [a for a in axes.patches if isinstance(a, StepPatch)]
    one = axes.collections[-1].get_segments()[0][0, 1]  # the line at a flat histogram
    np.testing.assert_allclose(patch.get_data().values / one, [3.0, 0.0, 0.5, 0.3])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["mine"]
    assert ROW > 0


def test_spectra_name_the_truth_and_have_units_of_a_variance(scores):
    cell = ("u_component_of_wind", 500.0)
    figure = spectra(scores[:1], [cell], LIGHT)
    (legend,), (axes,) = figure.legends, figure.axes
    assert [text.get_text() for text in legend.get_texts()] == ["Free ensemble", "Truth"]
    assert axes.get_title("right") == "m² s⁻²"
    truth = scores[0].spectra[cell]["truth"]
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), truth[1:])
    np.testing.assert_allclose(axes.lines[-1].get_xdata(), np.arange(1, len(truth)))


def test_units_of_a_variance_are_squared():
    assert squared("K") == "K²"
    assert squared("m**2 s**-2") == "m⁴ s⁻⁴"
    assert squared("1") == squared("") == ""
    assert squared("m**half") == "(m**half)²"
