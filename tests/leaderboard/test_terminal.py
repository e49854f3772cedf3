"""What the terminal shows of results."""

import mock_run
import pytest
from rich.console import Console

from dabench.leaderboard import format, terminal, ties
from dabench.scores import headlines
from dabench.scores.files import score_run
from dabench.scores.record import Variable


@pytest.fixture
def runs(tmp_path):
    rec = mock_run.record(mock_run.SPHERE, error=2.0, seed=1)
    mock_run.write(tmp_path / "free", rec=rec, method="ensemble")
    mock_run.write(tmp_path / "guess", method="guess")
    mock_run.write(tmp_path / "bad", method="bad", status="diverged at cycle 7")
    return [score_run(tmp_path / name) for name in ("free", "guess", "bad")]


def shown(runs, width=80) -> list[str]:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(terminal.results(runs))
    return console.export_text().splitlines()


def test_the_table_shows_the_scores_and_their_ratio_to_the_unconditional_ensemble(runs):
    free, guess = (run.value(("2m_temperature", None), "rmse") for run in runs[:2])
    line = next(x for x in shown(runs) if "guess" in x)
    assert format.number(guess) in line
    assert format.number(guess / free) in line


def test_the_best_and_what_cannot_be_told_from_it_are_marked(runs):
    ensemble, guess, _ = runs
    twin = guess.replace(method="twin")
    board = {run.method: [run] for run in (ensemble, guess, twin)}
    cell = ("2m_temperature", None)
    marks = ties.marks(board)
    best, other = sorted(("guess", "twin"), key=lambda method: marks[method, cell] != ties.BEST)
    assert marks[best, cell] == ties.BEST
    assert marks[other, cell] in (ties.TIE, ties.UNDECIDED)
    assert ("ensemble", cell) not in marks or marks["ensemble", cell] == ties.UNDECIDED
    assert any(f"{best} (best)" in line for line in shown([ensemble, guess, twin], 120))
    assert not ties.marks({"guess": [guess]})


def test_divergence_stands_where_a_score_would(runs):
    assert "diverged  at cycle 7" in next(x for x in shown(runs) if "bad" in x)


@pytest.mark.parametrize(("seeds", "width"), [(1, 80), (2, 90)])
def test_tables_fit_a_narrow_terminal_and_no_number_is_cut(runs, seeds, width):
    methods = ("ensemble", "oi-fast", "kalman")
    named = [run.replace(method=name) for run, name in zip(runs, methods, strict=True)]
    lines = shown([run.replace(seed=seed) for run in named for seed in range(seeds)], width)
    assert max(map(len, lines)) <= width
    assert not any("…" in x for x in lines), "\n".join(lines)


def test_seeds_are_one_row_with_median_range_and_share_that_diverged(runs):
    ensemble, guess, bad = runs
    rows = [guess, *(guess.replace(seed=n) for n in (1, 2)), bad.replace(seed=3, method="guess")]
    text = shown([ensemble, *rows], 120)
    rmse = format.number(guess.value(("2m_temperature", None), "rmse"))
    line = next(x for x in text if "guess" in x)
    assert rmse in line.split()
    assert f"{rmse}..diverged" in line
    assert line.split()[-1] == "1/4"
    assert "seeds 0, 1, 2, 3" in text[0]


def test_an_import_of_one_field_first_takes_no_field_from_the_others(runs):
    surface = {"2m_temperature": runs[1].variables["2m_temperature"]}
    theirs = runs[1].replace(method="external-theirs", variables=surface)
    rows = [line for line in shown([theirs, *runs[:2]]) if "Free" in line]
    alone = [line for line in shown(runs[:2]) if "Free" in line]
    numbers = [[row.split()[-5:] for row in table] for table in (rows, alone)]
    assert numbers[0] == numbers[1]


def test_a_method_alone_needs_no_reference(runs):
    assert any("guess" in x for x in shown(runs[1:2]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.19, "0.190"),
        (910.2, "910"),
        (12345.6, "12346"),
        (-0.5, "−0.500"),
        (0.0, "0.00"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert format.number(value) == text


def test_headlines_take_the_nearest_level_and_pool_toy_systems():
    def levels(*values):
        return Variable("K", values)

    atmosphere = {"temperature": levels(300.0, 700.0), "q": levels(500.0)}
    assert headlines.headlines(atmosphere) == [("temperature", 300.0)]
    toy = {"x": levels(None), "y": levels(None)}
    assert headlines.headlines(toy) == [("x", None), ("y", None)]
    assert headlines.headlines(toy | {"all": levels(None)}) == [("all", None)]


def test_names_and_units_are_the_usual_ones():
    assert format.label("geopotential", 500.0) == "z500"
    assert format.label("x") == "x"
    assert format.title("u_component_of_wind", 250.0) == "U-wind, 250 hPa"
    assert format.units("m**2 s**-2") == "m² s⁻²"
    assert format.units("1") == ""
