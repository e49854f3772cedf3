"""The command line: what is said, where it goes, and the exit code."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from patience import PATIENCE
from toy import toys  # noqa: F401

from dabench import cli
from dabench.cli.examples import EXAMPLES
from dabench.runs.archive import read
from docs.blocks import parse

pytestmark = [
    pytest.mark.usefixtures("toys"),
    # What Python would show to a user is an error here, dabench's own cautions aside.
    *(
        pytest.mark.filterwarnings(f"error::{kind}")
        for kind in ("UserWarning", "RuntimeWarning", "FutureWarning")
    ),
    pytest.mark.filterwarnings("default::dabench.core.errors.Caution"),
]
RUN = Path("runs/toy/toy/forecast/seed3")


@pytest.fixture
def dabench(monkeypatch, capsys):
    """Call the command; (exit code, standard output, standard error)."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["dabench", *map(str, args)])
        with pytest.raises(SystemExit) as e:
            cli.main()
        return e.value.code or 0, *capsys.readouterr()

    return call


def test_a_run_is_archived_scored_drawn_and_tabled(dabench):
    code, out, err = dabench("run", "toy", "-m", "forecast", "--set", "gain=0.2")
    assert code == 0, err
    assert read.open_run(RUN).attrs["settings"] == {"gain": 0.2}
    assert f"scores    {RUN}/scores.json" in out
    assert "figures   runs/toy/toy/figures-seed3/" in out
    assert Path("runs/toy/toy/figures-seed3/rmse.svg").exists()
    assert "spread/skill" in out
    assert (
        f"complete, reused: {RUN}"
        in dabench("run", "toy", "-m", "forecast", "--set", "gain=0.2")[2]
    )
    assert "next      dabench compare" in out
    assert not Path("runs/leaderboard").exists()
    before = (RUN / "scores.json").read_bytes()
    assert dabench("score", RUN)[0] == 0
    assert (RUN / "scores.json").read_bytes() == before


def test_a_run_that_diverges_is_shown_and_the_exit_code_is_3(dabench):
    code, out, err = dabench("run", "toy", "-m", "diverging", "--log", "log.txt")
    assert (code, "diverged at cycle 3" in err) == (3, True)
    assert "at cycle 3" in out
    assert re.search(
        r"^20\d\d-.* diverging +diverged at cycle 3", Path("log.txt").read_text(), re.M
    )
    assert "cannot be written" in dabench("run", "toy", "-m", "forecast", "--log", "no/log.txt")[2]


def test_quiet_prints_results_alone_and_verbose_every_cycle(dabench):
    _, out, err = dabench("run", "toy", "-m", "forecast", "-q")
    assert out.startswith("toy · toy")
    assert not err
    _, out, err = dabench("run", "toy", "-m", "forecast", "--fresh", "-v")
    assert "forecast     cycle 6 of 6: RMSE" in err
    assert "scoring" in err
    assert dabench("score", RUN, "-q", "-v")[0] == 2


def test_seeds_are_run_one_after_the_other_and_shown_as_one_row(dabench):
    code, out, err = dabench("run", "toy", "-m", "forecast", "--seeds", "1-2", "--cycles", "6")
    assert code == 0, err
    assert "figures   runs/toy/toy/figures-seed1-seed2/" in out
    assert "seeds 1, 2" in out
    for seed in (1, 2):
        assert read.open_run(RUN.with_name(f"seed{seed}")).attrs["seed"] == seed


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "toi"], "unknown scenario 'toi'; did you mean 'toy'?"),
        (["run", "toy", "-m", "forecast", "--set", "gain"], "--set gain"),
        (["run", "toy", "--seed", "1", "--seeds", "1-2"], "give one of the two"),
        (["score", "nowhere"], "nowhere: no run here"),
        (["check", "scenarios/toy.yaml", "nothing.yaml"], "nothing.yaml: there is no such file"),
        (["train", "lorenz63"], "lorenz63 is not trained"),
    ],
)
def test_mistakes_are_one_message_and_exit_code_2(dabench, args, message):
    args = [*args, "--out", "x"] if args[0] in ("run", "train") else args
    code, _, err = dabench(*args)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_a_fault_of_a_plug_in_is_told_once_with_its_line_and_others_have_their_results(dabench):
    code, _, err = dabench("run", "toy", "-m", "broken", "-m", "forecast")
    assert code == 1
    assert err.count("ZeroDivisionError") == 2  # the message, and the line that raises it
    assert re.search(r"ZeroDivisionError: a bug\n +.*toy.py:\d+, in step: raise", err)
    assert "Traceback" not in err
    assert (RUN / "scores.json").exists()


@pytest.mark.parametrize(
    ("method", "flags", "error"),
    [("broken", ["-v"], ZeroDivisionError), ("forecast", [], TypeError)],
)
def test_bugs_of_ours_keep_their_traceback_and_v_shows_all_of_them(
    monkeypatch, method, flags, error
):
    monkeypatch.setattr(sys, "argv", ["dabench", "run", "toy", "-m", method, *flags])
    monkeypatch.setattr("dabench.runs.cycle.summarise", None)
    with pytest.raises(error):
        cli.main()


MINE = """\
from dabench.filters.base import Ensemble, Filter

def mine(problem, *, gain: float = 0.5):
    return Filter(Ensemble, lambda key, ens, obs: (Ensemble(gain * ens.x), {}))
"""


def test_a_filter_runs_from_its_module_and_trials_lie_beside_the_first_run(dabench):
    Path("my_filters.py").write_text(MINE)
    Path("baselines/ensemble.yaml").write_text("members: 3\nfilter: {name: forecast}\n")
    arguments = ("run", "toy", "-m", "my_filters:mine")
    assert dabench(*arguments)[0] == 0
    attrs = read.open_run("runs/toy/toy/mine/seed3").attrs
    assert (attrs["filter"], attrs["members"]) == ("my_filters:mine", 3)
    code, _, err = dabench(*arguments, "--set", "gain=0.1")
    assert (code, "--tag NAME" in err) == (2, True)
    assert dabench(*arguments, "--set", "gain=0.1", "--tag", "weak")[0] == 0
    assert read.open_run("runs/toy/toy/mine-weak/seed3").attrs["method"] == "mine-weak"
    assert "cannot name a folder" in dabench(*arguments, "--tag", "a/b")[2]
    Path("my_filters.py").write_text(MINE + "\n# another version\n")
    assert "source:" in dabench(*arguments)[2]  # a run of the old file is not taken for the new one


def test_a_dry_run_writes_nothing(dabench):
    code, out, _ = dabench("run", "toy", "-m", "forecast", "--dry-run")
    assert code == 0
    assert "observations   4 a cycle" in out
    assert not Path("runs").exists()


def test_what_is_known_and_sound_is_said(dabench):
    code, out, _ = dabench("list")
    assert code == 0
    assert "scenario  toy                      Toy" in out
    assert "method    forecast                 Forecast, and pull towards the mean" in out
    assert "system    lorenz96                 The Lorenz-96 model" in out
    code, out, _ = dabench("check", "scenarios/toy.yaml", "baselines/forecast.yaml")
    assert code == 0
    assert "scenarios/toy.yaml: a sound scenario, 4 observations a cycle" in out
    assert "baselines/forecast.yaml: a sound baseline of forecast" in out
    code, out, _ = dabench("doctor")
    assert code == 0
    assert "jax" in out


def test_what_is_no_scenario_is_told_as_that(dabench):
    Path("README.md").write_text("# A heading\n\n- `tags`: !none\n")
    Path("list.yaml").write_text("a: [1, 2]\n")
    _, _, err = dabench("check", "README.md", "list.yaml")
    assert "README.md: is no scenario and no baseline, which are files *.yaml" in err
    assert "list.yaml: is no scenario, which has a `system`" in err


def test_json_is_all_of_standard_output(dabench):
    dabench("run", "toy", "-m", "forecast", "-m", "persistence", "-q")
    code, out, _ = dabench("check", "scenarios/toy.yaml", "nothing.yaml", "--json")
    assert (code, [x["sound"] for x in json.loads(out)]) == (2, [True, False])
    assert {"kind": "scenario", "name": "toy", "description": "Toy"} in json.loads(
        dabench("list", "--json")[1]
    )
    assert "jax" in json.loads(dabench("doctor", "--json")[1])["packages"]
    (scores,) = json.loads(dabench("score", RUN, "--json")[1])
    assert (scores["method"], scores["scores"][0]["region"]) == ("forecast", "global")
    rows = json.loads(dabench("compare", "persistence", "forecast", "--json")[1])
    assert {row["method"] for row in rows} == {"persistence"}


def test_a_run_is_shown_at_a_glance(dabench):
    dabench("run", "toy", "-m", "forecast", "-q")
    code, out, _ = dabench("show", RUN)
    assert code == 0
    assert "status    complete, 6 of 6 cycles" in out
    assert "spread/skill" in out
    assert dabench("show", "nowhere")[0] == 2


@pytest.mark.parametrize("verb", sorted(cli.COMMANDS.keys() - {"leaderboard"}))
def test_every_command_has_examples_that_are_commands(verb):
    assert EXAMPLES[verb]
    for line in EXAMPLES[verb]:
        parse(line)


@pytest.mark.parametrize("verb", cli.COMMANDS)
def test_every_command_has_help(dabench, verb):
    code, out, _ = dabench(verb, "-h")
    assert code == 0
    assert "Options:" in out


def test_the_version_is_that_of_the_package(dabench):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert dabench("--version")[:2] == (0, f"dabench {project['version']}\n")


def test_help_and_lists_import_no_jax():
    code = (
        "import sys; from dabench import cli;"
        "from typer.testing import CliRunner;"
        "assert CliRunner().invoke(cli.app, ['--help']).exit_code == 0;"
        "assert not {'numpy', 'pydantic', 'rich'} & {*sys.modules}, 'help is slow';"
        "assert CliRunner().invoke(cli.app, ['list']).exit_code == 0;"
        "assert not {'jax', 'xskillscore', 'matplotlib'} & {*sys.modules}, 'too much imported'"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE, env=env)


def test_compare_shows_scores_and_differences_and_writes_them(dabench):
    assert dabench("run", "toy", "-m", "forecast", "-m", "persistence")[0] == 0
    code, out, err = dabench("compare", "persistence", "forecast", "--csv", "found.csv")
    assert code == 0, err
    assert "spread/skill" in out
    assert "verdict" in out
    command = "dabench run toy -m persistence -m forecast --seeds 3-5 --cycles 6"
    assert f"decide    {command}" in out  # four cycles of a seed are too few
    _, out, _ = dabench("run", "toy", "--seed", "3", "-m", "forecast", "-m", "persistence")
    assert "decide    dabench run toy -m forecast -m persistence --seeds 3-5" in out
    rows = pd.read_csv("found.csv")
    assert set(rows["method"]) == {"persistence"}
