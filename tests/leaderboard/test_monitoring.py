"""Tables and figures of the fit to observations, from archives with gaps and rejections."""

from itertools import combinations

import mock_run
import numpy as np
import pytest
from matplotlib.text import Text

from dabench.core.quality import BACKGROUND, BUDDY
from dabench.leaderboard.board import Board
from dabench.leaderboard.figures import monitoring as figures
from dabench.leaderboard.figures.panels import NARROW, of_width
from dabench.leaderboard.figures.profiles import profiles
from dabench.leaderboard.figures.style import LIGHT, look
from dabench.leaderboard.monitoring import by_group, monitored, rejections
from dabench.scores.score import score

N = len(mock_run.network(mock_run.SPHERE))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A method whose checks reject three values, and one without checks; nine are missing."""
    rec = mock_run.record(mock_run.SPHERE)
    rec.y[4, :9] = np.nan
    folder = tmp_path_factory.mktemp("runs")
    mock_run.write(folder / "free", rec=rec, method="ensemble", filter="ensemble")
    rejected = np.zeros(rec.y.shape, np.uint8)
    rejected[6, 1], rejected[7, 1:3] = BACKGROUND, BUDDY
    rec.info["rejected"] = rejected
    mock_run.write(folder / "checked", rec=rec, method="letkf", filter="letkf")
    return {name: score(folder / name) for name in ("free", "checked")}


def whole(tmp_path):
    mock_run.write(tmp_path / "run")
    return score(tmp_path / "run")


def test_groups_are_told_by_what_became_of_their_values(runs):
    table = by_group(Board([*runs.values()], "mock"))
    assert list(table.columns) == ["network", "values", "rejected by", "rms over error std"]
    letkf, free = sorted(table.lines, key=lambda line: line.row.reference)
    used = 7 * N - 9
    expected = {"used": used - 3, "missing": 9, "background_check": 1, "buddy_check": 2}
    assert {name: int(letkf.numbers[name]) for name in expected} == expected
    assert int(free.numbers["used"]) == used
    assert free.numbers["buddy_check"] == "–"
    (row,) = runs["free"].observations.groups
    assert float(free.numbers["rms"]) == pytest.approx(row["rms"] / mock_run.ERROR_STD, rel=5e-3)
    assert float(free.numbers["analysis_rms"]) > 0


def test_rejections_are_told_in_words(runs):
    used = 7 * N - 12
    assert rejections(runs["checked"]) == (
        f"1 by the background check, 2 by the buddy check; {used} values used, over 7 cycles"
    )
    assert rejections(runs["free"]) == ""


def test_tables_of_regions_leave_out_references_and_columns_that_say_nothing(runs, tmp_path):
    (group,) = monitored(Board([*runs.values()], "mock"))
    assert [line.row.method for line in group.table.lines] == ["letkf", "ensemble"]
    assert list(group.regions) == ["tropics", "north of 20° N", "south of 20° S"]
    for table in group.regions.values():
        assert {line.row.method for line in table.lines} == {"letkf"}
    assert "missing" in group.table.columns["values"]
    (group,) = monitored(Board([whole(tmp_path)], "mock"))
    assert list(group.table.columns["values"]) == ["used"]
    assert "rejected by" not in group.table.columns


def test_old_results_have_their_numbers_and_no_columns_for_others(tmp_path):
    run = whole(tmp_path)
    fit = run.observations._replace(regions=(), cycles=())
    later = ("used", "missing", "analysis_bias", "analysis_rms", "desroziers_background")
    rows = tuple({k: v for k, v in row.items() if k not in later} for row in fit.groups)
    board = Board([run.replace(observations=fit._replace(groups=rows))], "mock")
    (group,) = monitored(board)
    assert list(group.table.columns) == ["network", "O−B", "consistency"]
    assert by_group(board).lines == []
    assert figures.counts(board.runs, LIGHT) is figures.departures(board.runs, LIGHT) is None


def test_counts_are_drawn_where_there_are_gaps_and_what_was_rejected_is_named(runs, tmp_path):
    assert figures.counts([whole(tmp_path)], LIGHT) is None
    figure = figures.counts([*runs.values()], LIGHT)
    (axes,) = figure.axes
    heights = [bar.get_height() for bar in axes.patches if bar.get_width() < 1]
    np.testing.assert_array_equal(heights[1:], [N, N, N, N - 9, N, N, N, N, N])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["values that are there", "LETKF: rejected"]


def test_a_line_of_departures_goes_on_over_cycles_without_observations(tmp_path):
    rec = mock_run.record(mock_run.SPHERE)
    rec.y[2:9:2] = np.nan
    mock_run.write(tmp_path / "run", rec=rec)
    (axes,) = figures.departures([score(tmp_path / "run")], LIGHT).axes
    before, _ = axes.lines
    assert len(before.get_xdata()) == 5
    assert before.get_marker() == "o"


def test_profiles_have_a_panel_for_each_region(tmp_path):
    """One level is no profile."""
    run = whole(tmp_path)
    assert profiles([run], LIGHT) is None
    fit = run.observations
    upper = fit._replace(
        groups=(*fit.groups, *({**row, "level": 250.0} for row in fit.groups)),
        regions=(*fit.regions, *({**row, "level": 250.0} for row in fit.regions)),
    )
    figure = profiles([run.replace(observations=upper)], LIGHT)
    assert len(figure.axes) == 4
    for axes, row in zip(figure.axes, (*fit.groups, *fit.regions), strict=True):
        line, _ = axes.lines
        np.testing.assert_allclose(line.get_xdata(), row["rms"])
        np.testing.assert_array_equal(line.get_ydata(), [250.0, 500.0])
    with look(LIGHT), of_width(NARROW):
        narrow = profiles([run.replace(observations=upper)], LIGHT)
        narrow.draw_without_rendering()
    texts = {axes.get_title(side) for axes in narrow.axes for side in ("left", "right")} - {""}
    titles = [text for text in narrow.findobj(Text) if text.get_text() in texts]
    boxes = [text.get_window_extent() for text in titles]
    assert len(boxes) > len(narrow.axes)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
