"""The front page's table of all methods on all boards."""

import mock_run
import numpy as np
import pytest

from dabench.leaderboard.board import Board
from dabench.leaderboard.matrix import DRY, TOYS, grouped, matrix
from dabench.leaderboard.standing import BEST, marks
from dabench.scores.files import current_scores


def board(folder, slug, system, **errors):
    runs = []
    for method, error in errors.items():
        rec = mock_run.record(mock_run.SPHERE, error=error)
        about = {"method": method, "system": mock_run.IDENTITY["system"] | {"name": system}}
        mock_run.write(folder / slug / method, rec=rec, **about)
        runs.append(current_scores(folder / slug / method))
    return Board(runs, slug)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("boards")
    first = board(folder, "a", "mock", ensemble=2.0, fa_apf=0.5, letkf=0.4, insertion=0.1)
    second = board(folder, "b", "held_suarez", ensemble=2.0, fa_apf=0.5)
    return [first, second]


def lines_of(boards):
    return matrix(boards, {board.slug: marks(board) for board in boards})


def test_boards_are_grouped_by_their_systems(both):
    assert {name: [b.slug for b in own] for name, own in grouped(both).items()} == {
        DRY: ["b"],
        TOYS: ["a"],
    }


def test_each_method_has_a_line_and_dashes_where_it_was_not_run(both):
    lines = {line.row.method: line.cells for line in lines_of(both)}
    assert list(lines) == ["fa_apf", "letkf", "insertion", "ensemble"]
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
