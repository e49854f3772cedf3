"""The front page's table of all methods on all boards."""

import mock_run
import numpy as np
import pytest

from dabench.leaderboard.board import Board
from dabench.leaderboard.matrix import DRY, TOYS, grouped, matrix
from dabench.leaderboard.standing import BEST, marks
from dabench.scores.record import Variable

CELLS = [("x", None), ("y", 250.0), ("y", 500.0)]
OBSERVED = {"observations": [{"name": "x", "variables": ["x"], "locations": {"every": 1}}]}


def board(slug, system, **sizes):
    """A board of methods with errors of some size in three fields, of which x is observed."""
    runs = []
    for method, size in sizes.items():
        values = {(cell, "rmse"): size * (1 + i) ** size for i, cell in enumerate(CELLS)}
        run = mock_run.scores(values, method=method, system={"name": system, "digest": system})
        names = {"x": Variable("K", (None,)), "y": Variable("K", (250.0, 500.0))}
        runs.append(run.replace(variables=names, scenario=run.scenario | OBSERVED))
    return Board(runs, slug)


@pytest.fixture(scope="module")
def both():
    first = board("a", "mock", ensemble=2.0, fa_apf=0.5, letkf=0.4, insertion=0.1)
    trial = {"fa_apf-paper": 0.45}
    return [first, board("b", "held_suarez", ensemble=2.0, fa_apf=0.5, **trial)]


def lines_of(boards):
    return matrix(boards, {board.slug: marks(board) for board in boards})


def test_boards_are_grouped_by_their_systems(both):
    assert {name: [b.slug for b in own] for name, own in grouped(both).items()} == {
        DRY: ["b"],
        TOYS: ["a"],
    }


def test_each_method_has_a_line_and_dashes_where_it_was_not_run(both):
    lines = {line.row.method: line.cells for line in lines_of(both)}
    assert list(lines) == ["fa_apf", "letkf", "insertion", "ensemble"]  # and no profile
    assert [len(cells) > 0 for cells in lines["letkf"]] == [True, False]


def test_numbers_are_geometric_means_of_ratios_to_the_free_ensemble(both):
    first = both[0]
    runs = {run.method: run for run in first.runs}
    for kind, cells in first.kinds.items():
        logs = [
            np.log(runs["letkf"].value(cell, "rmse") / runs["ensemble"].value(cell, "rmse"))
            for cell in cells
        ]
        line = next(line for line in lines_of(both) if line.row.method == "letkf")
        value = line.cells[0][list(first.kinds).index(kind)]
        assert value.sort == pytest.approx(np.exp(np.mean(logs)), rel=1e-6)


def test_the_best_is_marked_and_references_are_not(both):
    marked = {
        line.row.method: [value.note == BEST for value in line.cells[0]] for line in lines_of(both)
    }
    assert all(marked["letkf"])
    assert not any(marked["fa_apf"] + marked["insertion"] + marked["ensemble"])
