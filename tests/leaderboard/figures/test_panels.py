"""Ranges and ticks of axes."""

import numpy as np
import pytest

from dabench.leaderboard.figures.panels import Range, legend_columns, tick_text


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        ([0.0, 10.0], False, ["0", "5", "10"]),
        ([1.0, 1.0], False, ["0", "0.5", "1", "1.5", "2"]),
        ([0.05, 5.0], True, ["0.1", "0.3", "1", "3"]),
        ([3e-6, 1.7e-5], True, ["5·10⁻⁶", "10⁻⁵", "1.5·10⁻⁵"]),
        ([1e-3, 1e6], True, ["0.01", "1", "100", "10000", "10⁶"]),
        ([np.nan, np.nan], True, ["0.1", "0.2", "0.5", "1"]),
    ],
)
def test_ticks_are_few_round_and_short(values, log, ticks):
    ends = Range.of(np.array(values), log=log)
    assert [tick_text(value) for value in ends.ticks(5)] == ticks


def test_a_legend_has_as_many_columns_as_its_longest_name_leaves_room_for():
    assert legend_columns(["LETKF"] * 20) > legend_columns(["Optimal interpolation"] * 20) >= 4
    assert legend_columns(["x" * 500]) == 1
