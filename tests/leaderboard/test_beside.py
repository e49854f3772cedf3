"""Rows beside a method's own: other ensemble sizes at equal cost, smoothers, forecasts by lead."""

import re

import mock_run
import numpy as np
import pytest

from dabench.leaderboard import labels, leads, site, sizes, smoothed
from dabench.leaderboard.board import Board
from dabench.leaderboard.figures.leads import means_by_lead
from dabench.leaderboard.figures.sizes import sizes as figure_of_sizes
from dabench.leaderboard.figures.style import LIGHT
from dabench.leaderboard.methods import display_name
from dabench.scores.record import Variable

CELLS = [("x", None), ("y", None)]
OBSERVED = {"observations": [{"name": "x", "variables": ["x"], "locations": {"every": 1}}]}
CYCLES = 9


def run(method, x, y, members=16, seed=0, calls=10.0, products=0.0, seconds=1.0, **more):
    """A run whose RMSE and CRPS are so large in two fields, x observed and y not."""
    values = {(c, m): v for c, v in zip(CELLS, (x, y), strict=True) for m in ("rmse", "crps")}
    cost = {"evaluations": calls * CYCLES, "products": products * CYCLES}
    made = mock_run.scores(values, method=method, seed=seed, members=members)
    names = {name: Variable("K", (None,)) for name, _ in CELLS}
    return made.replace(
        variables=names,
        scenario={**made.scenario, **OBSERVED},
        cost=cost | {"wall_seconds_a_cycle": seconds},
        **more,
    )


RUNS = [
    run("ensemble", 1.0, 1.0),
    run("ensemble", 2.0, 2.0, seed=1),
    run("fa_apf", 0.1, 0.5, calls=20, products=15, seconds=4.0),  # 16 (20 + 2·15) = 800 a cycle
    run("letkf", 0.4, 0.6),
    run("letkf-n40", 0.3, 0.5, members=40, seconds=3.0),  # 400 a cycle
    run("letkf-n80", 0.2, 0.4, members=80, seconds=4.39),  # 800
    run("letkf-n100", 0.1, 0.3, members=100, seconds=4.41),  # 1000: more than a tenth above
    run("letkf-lag4", 0.2, 0.6, lag=4),
    run("oi", 0.8, 0.9),
]


@pytest.fixture(scope="module")
def board():
    return Board(RUNS, "mock")


def test_labels_say_what_a_row_is():
    assert labels.parsed("letkf") == ("letkf", None, 0)
    assert labels.parsed("fa_apf-paper-2026-n40-lag4") == ("fa_apf-paper-2026", 40, 4)
    assert display_name("fa_apf-lag4") == "FA-APF, smoothed over 4 cycles"
    assert display_name("fa_apf-paper-n100-lag1") == (
        "FA-APF (paper), 100 members, smoothed over 1 cycle"
    )
    assert display_name("mine-n4") == "mine, 4 members"


def test_rows_of_other_sizes_and_smoothers_are_not_ranked_with_the_methods(board):
    assert [row.method for row in board.rows] == ["fa_apf", "letkf", "oi", "ensemble"]
    assert {row.method for row in board.beside} == {
        *("letkf-n40", "letkf-n80", "letkf-n100", "letkf-lag4")
    }
    alone = Board([made for made in RUNS if made.method == "letkf-n40"], "alone")
    assert [row.method for row in alone.rows] == ["letkf-n40"]  # there is nothing to be beside


def test_skill_against_members_is_over_the_free_ensemble_of_the_same_seeds(board):
    observed, others = (sizes.curves(RUNS, [cell], "rmse") for cell in CELLS)
    assert list(observed) == list(others) == ["letkf"]
    members = [16, 40, 80, 100]
    expected = [
        [*zip(members, y, strict=True)] for y in ((0.4, 0.3, 0.2, 0.1), (0.6, 0.5, 0.4, 0.3))
    ]
    np.testing.assert_allclose([observed["letkf"], others["letkf"]], expected)
    figure = figure_of_sizes(RUNS, LIGHT)
    lines = [line.get_xydata() for axes in figure.axes for line in axes.lines]
    drawn = [observed["letkf"], others["letkf"]]
    np.testing.assert_allclose(lines, drawn + drawn)  # CRPS below RMSE
    assert figure_of_sizes(labels.own(RUNS), LIGHT) is None


def test_the_size_nearest_in_cost_is_chosen_and_none_that_costs_a_tenth_more(board):
    table = sizes.equal_cost(board)
    assert table.heads == [
        ("equal members", "16"),
        ("equal denoiser evaluations", "800 a cycle"),
        ("equal time", "4.00 s a cycle"),
    ]
    choices = {row.method: [choice.row.method for choice in own] for row, own in table.lines}
    assert choices == {
        "fa_apf": ["fa_apf"] * 3,
        "letkf": ["letkf", "letkf-n80", "letkf-n80"],
    }
    (_, letkf), *_ = [line for line in table.lines if line[0].method == "letkf"]
    assert [choice.share for choice in letkf] == ["", "100 %", "110 %"]
    assert [value.sort for value in letkf[1].ratios] == pytest.approx([0.2, 0.4])
    without_sizes = [made for made in RUNS if "-n" not in made.method]
    assert sizes.equal_cost(Board(without_sizes, "mock")) is None


def test_a_method_that_is_dearer_at_any_size_has_no_choice():
    dear = [run("guided", 0.1, 0.1, members=n, calls=99, seconds=9.0) for n in (16, 40)]
    named = [dear[0], dear[1].replace(method="guided-n40")]
    table = sizes.equal_cost(Board([*RUNS, *named], "mock"))
    (guided,) = [own for row, own in table.lines if row.method == "guided"]
    assert [choice.row and choice.row.method for choice in guided] == ["guided", None, None]


def test_what_costs_less_than_a_third_is_not_called_equal():
    cheap = [made for made in RUNS if made.method in ("ensemble", "fa_apf", "letkf")]
    other = run("letkf-n4", 0.9, 0.9, members=4, seconds=0.11)
    assert sizes.equal_cost(Board([*cheap, other], "mock")).heads == [("equal members", "16")]


def test_times_that_the_load_of_a_machine_decides_are_not_compared():
    quick = [made.replace(cost=made.cost | {"wall_seconds_a_cycle": 0.04}) for made in RUNS]
    heads = sizes.equal_cost(Board(quick, "mock")).heads
    assert [name for name, _ in heads] == ["equal members", "equal denoiser evaluations"]


def test_smoothers_stand_beside_their_filters(board):
    (line,) = smoothed.smoothed(board)
    assert (line.row.method, line.own.method, line.lag) == ("letkf-lag4", "letkf", 4)
    observed, others = ([value.sort for value in values] for values in line.values)
    assert observed == pytest.approx([0.4, 0.2, 0.5, 0.5])
    assert others == pytest.approx([0.6, 0.6, 1.0, 1.0])


def with_forecasts(made, factor, starts=(2, 6)):
    """A run with forecasts whose scores double at every lead."""
    lines = [
        {"variable": name, "level": None, "metric": metric, "values": [factor, 2 * factor]}
        for name, _ in CELLS
        for metric in ("rmse", "crps", "spread", "spread_skill")
    ]
    data = {"every": 4, "starts": list(starts), "unit": "cycles", "leads": [0.0, 1.0]}
    return made.replace(forecasts=data | {"scores": lines})


FORECASTS = [
    with_forecasts(RUNS[0], 4.0),
    with_forecasts(RUNS[1], 9.0),  # a seed that the LETKF has not
    with_forecasts(RUNS[2], 1.0),
    with_forecasts(RUNS[3], 1.0, starts=(2,)),  # other starts than most: left out
    RUNS[-1],
]


def test_forecasts_are_compared_with_those_from_the_free_ensemble_of_the_same_seeds():
    forecasts = leads.of_runs(FORECASTS)
    assert list(forecasts) == ["fa_apf", "ensemble"]
    means = leads.mean_by_lead(forecasts, CELLS, "rmse")
    np.testing.assert_allclose(means["fa_apf"], [0.25, 0.25])
    np.testing.assert_allclose(means["ensemble"], [1, 1])
    ratios = leads.mean_by_lead(forecasts, CELLS, "spread_skill")
    np.testing.assert_allclose(ratios["fa_apf"], [1, 2])  # without units, over nothing
    kinds = dict(zip(("observed", "not observed"), ([cell] for cell in CELLS), strict=True))
    axes = means_by_lead(forecasts, kinds, LIGHT).axes
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), means["fa_apf"])
    assert leads.of_runs(RUNS) == {}
    alone = {"fa_apf": forecasts["fa_apf"]}
    assert means_by_lead(alone, kinds, LIGHT) is None
    assert leads.mean_by_lead(alone, CELLS, "rmse") == {}


def test_the_page_of_a_board_has_a_section_for_each(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "draw_scores", lambda *_: [])  # its pictures are seen elsewhere
    monkeypatch.setattr(site, "origin", lambda _: [])
    runs = [*FORECASTS[:3], *RUNS[3:]]
    monkeypatch.setattr(site, "find", lambda *_: runs)
    front = site.build([], tmp_path / "site")
    page = (front.parent / "mock-noise" / "index.html").read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert "LETKF, smoothed over 4 cycles 1 seed 4 0.400 0.200 0.50 0.50" in text
    assert "equal denoiser evaluations: 800 a cycle" in text
    assert "LETKF 1 seed 16 0.400 0.600 80 100 % 0.200 0.400 80 110 % 0.200 0.400" in text
    assert "dabench forecast RUN --lead 1 --every 4" in text
    assert "FA-APF observed 0.250 0.250" in text
    assert "FA-APF X RMSE K 1.00 2.00" in text
    assert (front.parent / "mock-noise" / "rows" / "letkf-n80.html").exists()
    assert (front.parent / "mock-noise" / "results" / "letkf-lag4.json").exists()
    assert not (front.parent / "methods" / "letkf-n80.html").exists()
