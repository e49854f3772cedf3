"""What the pages show of runs: pairs of seeds, marks, provenance, units, who is missing."""

import mock_run
import pytest

from dabench.leaderboard import results
from dabench.leaderboard.board import Board, boards
from dabench.scores.record import Scores

CELL = ("2m_temperature", None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """By method and seed: the ensemble has three seeds, `one` has the first of them."""
    home, found = tmp_path_factory.mktemp("pages"), {}
    for method, seed, error in [
        ("ensemble", 0, 1.0), ("ensemble", 1, 5.0), ("ensemble", 2, 9.0), ("one", 0, 0.5),
    ]:  # fmt: skip
        rec = mock_run.record(mock_run.SPHERE, error=error, seed=seed)
        mock_run.write(home / method / f"seed{seed}", rec=rec, method=method, seed=seed)
        found[method, seed] = Scores.from_plain(results.of_run(home / method / f"seed{seed}"))
    return found


@pytest.fixture
def board(runs):
    return Board(list(runs.values()), "mock")


def row_of(board, method):
    return next(row for row in board.rows if row.method == method)


def test_ratios_are_of_the_seeds_that_both_have(board, runs):
    ours, theirs = (runs[method, 0].value(CELL, "rmse") for method in ("one", "ensemble"))
    wanted = ours / theirs
    assert board.ratio(row_of(board, "one"), CELL, "rmse") == pytest.approx(wanted)
    alone = Board([runs["ensemble", 1], runs["one", 0]], "mock")
    assert alone.ratio(row_of(alone, "one"), CELL, "rmse") is None


def test_the_best_comes_first_and_last_come_those_without_a_ratio(board, runs):
    assert [row.method for row in board.rows] == ["one", "ensemble"]
    worst = runs["ensemble", 2].replace(method="another")
    first = dict(list(runs["one", 0].scores.items())[:1])
    unlike = runs["one", 0].replace(method="fa_apf", scores=first)
    longer = Board([*runs.values(), worst, unlike], "mock")
    assert [e.method for e in longer.rows] == ["one", "ensemble", "another", "fa_apf"]
    alone = Board([runs["one", 0], worst.replace(method="letkf")], "mock")
    assert [row.method for row in alone.rows] == ["letkf", "one"]


def surface_only(run, method="external-theirs"):
    """An import of a store that has a surface field and a level of the upper air."""
    cells = (CELL, ("temperature", 500.0))
    numbers = {
        name: {key: value for key, value in getattr(run, name).items() if key.cell in cells}
        for name in ("scores", "every_cycle")
    }
    variables = {"2m_temperature": run.variables["2m_temperature"]}
    variables["temperature"] = run.variables["temperature"]._replace(levels=(500.0,))
    return run.replace(method=method, variables=variables, histograms={}, spectra={}, **numbers)


def test_an_import_of_few_fields_takes_none_from_others_be_it_the_oldest(runs):
    whole = [runs["ensemble", 0], runs["one", 0]]
    plain = Board(whole, "mock")
    mixed = Board([surface_only(runs["one", 0]), *whole], "mock")
    assert (mixed.cells, mixed.all_cells, mixed.kinds) == (
        plain.cells,
        plain.all_cells,
        plain.kinds,
    )
    for method in ("ensemble", "one"):
        ratios = [board.mean_ratios(row_of(board, method)) for board in (plain, mixed)]
        assert ratios[0] == ratios[1]
    theirs = row_of(mixed, "external-theirs")
    assert mixed.ratio(theirs, CELL, "rmse") is not None
    assert mixed.ratio(theirs, ("temperature", 250.0), "rmse") is None


def test_imports_alone_share_the_fields_of_all(runs):
    upper = runs["one", 0].variables["temperature"]._replace(levels=(250.0,))
    other = runs["one", 0].replace(method="external-other", variables={"temperature": upper})
    board = Board([surface_only(runs["one", 0]), other], "mock")
    assert board.all_cells == [CELL, ("temperature", 250.0), ("temperature", 500.0)]


def test_the_problem_of_the_paper_comes_first(runs):
    def called(name):
        return runs["one", 0].replace(scenario={"name": name, "digest": name})

    found = boards([called("another"), called("temp_4deg")])
    assert [board.name for board in found] == ["temp_4deg", "another"]


def test_provenance_is_of_all_seeds(runs):
    made = [runs["ensemble", seed].provenance for seed in range(3)]
    made = [made[0] | {"commit": "a"}, made[1] | {"commit": None}, made[2] | {"commit": "a"}]
    made = [made[0] | {"cores": 1}, *(one | {"cores": 8} for one in made[1:])]
    changed = [runs["ensemble", seed].replace(provenance=made[seed]) for seed in range(3)]
    board = Board(changed, "mock")
    told = board.provenance(board.rows[0])
    assert told["commit"] == "a; not known"
    assert told["cores"] == "1; 8"
    assert told["device"] == mock_run.IDENTITY["provenance"]["device"]
    assert "processor" not in told


def test_a_single_seed_is_told_beside_several(board, runs):
    assert row_of(board, "one").tags == "1 seed"
    assert row_of(board, "ensemble").tags == "reference, 3 seeds"
    assert row_of(Board([runs["one", 0]], "mock"), "one").tags == ""


def test_counts_are_whole_numbers(board):
    (row, *_) = row_of(board, "one").innovations
    assert row["numbers"]["count"].isdigit()


@pytest.mark.parametrize(
    ("size", "text"), [(78.0, "78.0 B"), (4.4e4, "44.0 kB"), (2.4e7, "24.0 MB")]
)
def test_memory_and_time_are_in_units_that_read_well(runs, size, text):
    cost = {"compiled_step_bytes_a_member": size, "wall_seconds_a_cycle": 0.00069}
    row = Board([runs["one", 0].replace(cost=cost)], "mock").rows[0]
    assert (row.memory.text, row.memory.sort) == (text, size)
    assert row.cost("wall_seconds_a_cycle").text == "690 µs"
    assert ("memory of a compiled step for each member", text, "") in row.diagnostics


def test_who_is_missing_in_a_figure_is_said_with_the_reason(runs):
    whole = [runs["ensemble", 0], runs["one", 0]]
    series, scores = (
        {key: v for key, v in numbers.items() if key.metric in ("rmse", "bias")}
        for numbers in (whole[1].every_cycle, whole[1].scores)
    )
    bare = whole[1].replace(method="bare", every_cycle=series, scores=scores, histograms={})
    board = Board([*whole, bare], "mock")
    assert board.absent("rmse") == board.absent("weights") == ""
    for figure in ("crps", "ranks", "pareto"):
        assert board.absent(figure) == "Without bare: no members were kept."
    single = Board([whole[0], bare.replace(members=1)], "mock")
    for figure in ("spread", "ranks"):
        assert single.absent(figure) == "Without bare: one member has no spread."
