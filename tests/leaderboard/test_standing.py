"""Who wins, in sentences; scorecards of two methods; notes by rules."""

import json
from types import SimpleNamespace

import mock_run
import numpy as np
import pytest

from dabench.leaderboard import notes, selectors, standing
from dabench.leaderboard.board import Board
from dabench.leaderboard.pairs import LARGE, Pairs
from dabench.leaderboard.row import Row
from dabench.leaderboard.sparklines import HEIGHT, sparklines
from dabench.scores.record import Diagnostic, Key, Score, Variable

CELLS = [("x", None), ("y", None)]
OBSERVED = {"observations": [{"name": "x", "variables": ["x"], "locations": {"every": 1}}]}


def run(method, x, y, seed=0, cycles=200, **more):
    """A run whose scores in two fields are so large, x observed and y not."""
    rng = np.random.default_rng(seed + 1000 * len(method))
    sizes = {(c, m): v for c, v in zip(CELLS, (x, y), strict=True) for m in ("rmse", "crps")}
    series = {key: v * np.exp(0.05 * rng.normal(size=cycles)) for key, v in sizes.items()}
    made = mock_run.scores(sizes, series, method=method, seed=seed)
    names = {"x": Variable("K", (None,)), "y": Variable("K", (None,))}
    scenario = {**made.scenario, **OBSERVED}
    return made.replace(variables=names, scenario=scenario, **more)


@pytest.fixture
def board():
    """FA-APF first in the observed field, and level with the LETKF in the other one."""
    sizes = {"ensemble": (1, 1), "fa_apf": (0.1, 0.5), "letkf": (0.4, 0.5), "insertion": (0.05, 2)}
    return Board([run(method, *values) for method, values in sizes.items()], "mock")


def row(board, method):
    return next(row for row in board.rows if row.method == method)


def test_the_winner_is_named_with_its_lead_and_who_cannot_be_told_apart(board):
    observed, other = standing.sentences(board)
    assert observed.startswith("On observed fields FA-APF is best: 10 % of the free ensemble's")
    assert "75 % less than LETKF, the next (significantly in 1 of 1 fields)" in observed
    assert observed.endswith("Insertion, a reference, has 5.0 %.")
    assert "On fields that nothing observes" in other
    assert "cannot be told apart: they have 50 % of" in other
    marks = standing.marks(board)
    assert marks["observed"] == {"fa_apf": standing.BEST}
    assert marks["not observed"] == dict.fromkeys(["fa_apf", "letkf"], standing.TIED)


def test_behind_a_method_that_is_worse_none_ties_with_the_best(board, monkeypatch):
    """Were the last one's scores too noisy to tell, no reader would call it level."""
    longer = Board([*board.runs, run("enkf", 0.8, 0.9)], "mock")
    noisy = SimpleNamespace(better=0, worse=0, fields=1, tested=1)
    monkeypatch.setattr(
        longer.pairs,
        "count",
        lambda one, other, cells: SimpleNamespace(
            **vars(noisy), tied=(other.method == "enkf") or cells == [CELLS[1]]
        ),
    )
    observed, other = standing.standings(longer)
    assert not observed.tied
    assert [row.method for row in other.tied] == ["fa_apf", "letkf", "enkf"]


def test_without_enough_cycles_a_lead_is_told_and_not_called_significant():
    short = [run(method, x, 1.0, cycles=5) for method, x in (("ensemble", 1), ("fa_apf", 0.1),
             ("letkf", 0.4))]  # fmt: skip
    text = standing.sentences(Board(short, "mock"))[0]
    assert "too few independent cycles or seeds to test it" in text


def test_the_exact_posterior_is_marked_and_named(board):
    exact = run("kalman", 0.09, 0.4)
    longer = Board([*board.runs, exact], "mock")
    assert row(longer, "kalman").tags == "exact"
    assert "The exact posterior (Kalman filter) has 9.0 %." in standing.sentences(longer)[0]


def test_a_pair_has_opposite_marks_from_both_sides(board):
    one, other = row(board, "fa_apf"), row(board, "letkf")
    ours, theirs = (board.pairs.mark(*p, CELLS[0], "rmse") for p in ((one, other), (other, one)))
    assert (ours.arrow, theirs.arrow) == ("up large", "down large")
    assert ours.ratio * theirs.ratio == pytest.approx(1)
    assert board.pairs.mark(one, other, CELLS[1], "rmse").arrow == ""
    assert board.pairs.mark(one, other, CELLS[1], "rmse", "tropics").ratio is None


def test_small_differences_have_small_arrows():
    runs = [run("fa_apf", 0.9, 1.0), run("letkf", 1.0, 1.0)]
    one, other = (Row([r]) for r in runs)
    assert LARGE < 0.9
    assert Pairs([one, other]).mark(one, other, CELLS[0], "rmse").arrow == "up"


def test_selectors_have_every_score_and_every_pair_once(board):
    text = selectors.script(board)
    data = json.loads(text.removeprefix(f"const {selectors.NAME} = ").removesuffix(";\n"))
    place = [m["name"] for m in data["methods"]].index("FA-APF")
    assert (
        data["scores"]["rmse"]["global"][0][place][0]
        == row(board, "fa_apf").shown(CELLS[0], "rmse").text
    )
    assert [field["observed"] for field in data["fields"]] == [True, False]
    n = len(board.rows)
    assert len(data["pairs"]["rmse"]["global"]) == n * (n - 1) // 2


def test_sparklines_share_one_scale(board):
    lines = sparklines(board.rows, CELLS[0])
    heights = {
        method: np.mean([float(p.split(",")[1]) for p in points.split()])
        for method, points in lines.points.items()
    }
    assert sorted(heights, key=heights.get) == ["ensemble", "letkf", "fa_apf", "insertion"]
    assert all(0 < height < HEIGHT for height in heights.values())
    assert len(lines.grid) == 2  # 0.1 and 1


def diagnostics(**means):
    return {name: Diagnostic(mean, mean, np.zeros(0)) for name, mean in means.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": 16, "ensemble": diagnostics(ess=15.2)}, "weights hardly select"),
        ({"members": 16, "ensemble": diagnostics(ess=1.1)}, "weights degenerate"),
        ({"members": 16, "ensemble": diagnostics(ess=9.0, alpha=1e-5)}, "a power of about 10⁻⁵"),
        ({"members": 1}, "One member has no spread"),
        ({"members": 16, "ensemble": diagnostics(ess=9.0)}, ""),
    ],
)
def test_notes_say_what_an_expert_would_object_to(board, change, words):
    changed = row(board, "letkf").first.replace(**change)
    others = [r for r in board.runs if r.method != "letkf"]
    (text,) = [" ".join(t) for r, t in notes.notes(Board([*others, changed], "m")).items()
               if r.method == "letkf"] or [""]  # fmt: skip
    assert words in text
    assert bool(words) == bool(text)


def test_a_board_says_whose_settings_were_not_searched(board, monkeypatch):
    assert notes.cautions(board)[0].startswith("No method's settings were searched")
    monkeypatch.setattr(notes, "tuning_of", lambda run: run.method == "fa_apf" or None)
    assert notes.cautions(board) == ["Not searched on this board: the settings of LETKF."]
    monkeypatch.setattr(notes, "tuning_of", lambda run: True)
    assert notes.cautions(board) == []


def test_a_large_bias_and_a_narrow_ensemble_are_told(board):
    letkf = row(board, "letkf").first
    more = {
        Key("x", None, "global", "bias"): Score(0.3),
        Key("y", None, "global", "spread_skill"): Score(0.2),
    }
    changed = letkf.replace(scores=letkf.scores | more, members=16)
    others = [r for r in board.runs if r.method != "letkf"]
    texts = notes.notes(Board([*others, changed], "m"))
    (found,) = texts.values()
    assert found[0].startswith("Bias is 56 % of the mean squared error of x (bias 0.300, RMSE 0.4")
    assert found[1].startswith("The ensemble is too narrow in 1 of 1 fields that are not observed")
