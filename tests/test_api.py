"""The functions at the top of `dabench`: light to import, documented by examples that run."""

import doctest
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE

import dabench
from dabench.core.errors import UserError
from dabench.core.version import __version__
from dabench.scores.paired import Question
from dabench.scores.run import Run

HEAVY = ("jax", "numpy", "xarray", "pandas", "pydantic", "scipy", "zarr", "yaml", "jinja2")
IN_ORDER = ("load_scenario", "run", "open_run", "score", "compare", "leaderboard")
"""The functions in an order in which the runs that an example opens are there already."""


def python(script: str) -> str:
    """What a fresh Python process prints."""
    options = {"capture_output": True, "text": True, "timeout": PATIENCE}
    done = subprocess.run([sys.executable, "-c", script], check=True, **options)
    return done.stdout.strip()


def test_importing_dabench_imports_nothing_else():
    script = f"import sys, dabench; print([m for m in {HEAVY} if m in sys.modules])"
    assert python(script) == "[]"


def test_dir_names_what_there_is():
    assert {*IN_ORDER, "__version__"} == {*dabench.__all__} == {*dir(dabench)}
    assert all(callable(getattr(dabench, name)) for name in IN_ORDER)
    assert dabench.__version__ == __version__
    with pytest.raises(AttributeError, match="no attribute 'leaderbord'"):
        _ = dabench.leaderbord


@pytest.mark.parametrize(
    "script",
    [
        "import dabench; first = dabench.leaderboard; import dabench.leaderboard.site",
        "import dabench.leaderboard.site; first = dabench.leaderboard",
        "from dabench import leaderboard as first; import dabench.leaderboard.format",
    ],
)
def test_leaderboard_can_be_called_whatever_was_imported_before(script):
    after = "import dabench; print(callable(first), first is dabench.leaderboard)"
    assert python(f"{script}; {after}") == "True True"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A folder in which the examples are run, one after the other."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("reader")
    os.chdir(folder)
    yield folder
    os.chdir(before)


def function(name):
    """The function of this name; `leaderboard` is a package that can be called."""
    return type(dabench.leaderboard).__call__ if name == "leaderboard" else getattr(dabench, name)


@pytest.mark.parametrize("name", IN_ORDER)
def test_an_example_shows_what_it_prints(reader, name):
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    example = parser.get_doctest(inspect.getdoc(function(name)), {}, name, None, None)
    printed: list[str] = []
    runner.run(example, out=printed.append)
    assert runner.tries > 1
    assert runner.failures == 0, "".join(printed)


@pytest.mark.parametrize("name", IN_ORDER)
def test_everything_has_a_type_and_an_argument_its_description(name):
    from docstring_parser.google import GoogleParser

    signature = inspect.signature(function(name))
    parameters = {n: p for n, p in signature.parameters.items() if n != "self"}
    described = {entry.arg_name for entry in GoogleParser().parse(function(name).__doc__).params}
    assert all(p.annotation is not p.empty for p in parameters.values())
    assert signature.return_annotation is not signature.empty
    assert described == {*parameters}


def test_a_comparison_asks_what_a_question_asks_by_default():
    parameters = inspect.signature(dabench.compare).parameters
    defaults = {n: p.default for n, p in parameters.items() if p.default is not p.empty}
    assert defaults == Question._field_defaults


@pytest.fixture(scope="module")
def letkf(reader) -> Run:
    (run,) = dabench.run(
        dabench.load_scenario("linear_gaussian"), methods=["letkf"], members=6, cycles=9, seed=5
    )
    return run


def test_a_run_says_what_it_is(letkf):
    rmse = letkf.scores.value(("state", None), "rmse")
    assert repr(letkf).startswith(
        f"<Run: letkf on linear_gaussian, seed 5, complete, state: RMSE {rmse:.3g}, spread "
    )
    page = letkf._repr_html_()
    for text in ("linear_gaussian", "letkf", "complete", f"{rmse:.3g}", "CRPS"):
        assert text in page
    assert (letkf.method, letkf.seed, letkf.status.complete) == ("letkf", 5, True)
    assert letkf.scenario.period.cycles == letkf.archive.attrs["completed"] == 9


def test_a_run_that_is_not_scored_is_not_read_to_be_shown(letkf, monkeypatch):
    (letkf.folder / "scores.json").unlink()
    again = dabench.open_run(letkf.folder / "archive.zarr")
    monkeypatch.setattr("dabench.scores.run.current_scores", None)
    assert repr(again).endswith("not scored>")
    assert "not scored" in again._repr_html_()
    monkeypatch.undo()
    assert again.scores.members == 6
    assert "RMSE" in repr(again)


def test_a_run_can_be_given_for_its_folder(letkf):
    assert Path(letkf) == letkf.folder
    assert dabench.score(letkf).method == "letkf"
    assert set(dabench.compare(letkf, [letkf])["verdict"]) == {"insufficient data"}


def test_text_of_a_run_is_text_on_a_page(letkf):
    odd = Run(letkf.folder, letkf.attributes | {"method": "<b>&"})
    assert "&lt;b&gt;&amp;" in odd._repr_html_()


def test_no_run_is_a_mistake_of_the_user(tmp_path):
    with pytest.raises(UserError, match="no run here"):
        dabench.open_run(tmp_path)
