"""What `dabench new` writes runs as it is."""

import shlex
import sys
from pathlib import Path

import pytest

from dabench import cli
from dabench.cli import new, run
from dabench.core.errors import UserError
from dabench.runs.archive import read
from docs.blocks import parse


@pytest.fixture
def dabench(monkeypatch, capsys, tmp_path):
    """What a command line that ends well prints, in a folder of one's own; runs are not drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "evaluate", lambda folders, out: None)

    def call(line: str) -> str:
        monkeypatch.setattr(sys, "argv", ["dabench", *shlex.split(line)])
        with pytest.raises(SystemExit) as e:
            cli.main()
        out, err = capsys.readouterr()
        assert not e.value.code, err
        return out

    return call


def test_a_new_filter_runs_on_a_new_model(dabench):
    assert "next      dabench conformance begun:begun" in dabench("new filter begun")
    dabench("new model begun_model")
    dabench("run linear_gaussian --system begun_model:begun_model -m begun:begun "
            "--cycles 3 --members 4")  # fmt: skip
    attrs = read.open_run("runs/linear_gaussian/begun_model/begun/seed0").attrs
    assert attrs["status"] == "complete"
    assert attrs["system"]["name"] == "begun_model"


def test_a_new_scenario_is_sound_and_runs(dabench):
    assert "next      dabench run my_scenario.yaml" in dabench("new scenario")
    assert "a sound scenario, 20 observations" in dabench("check my_scenario.yaml")
    dabench("run my_scenario.yaml -m persistence --cycles 2 --members 4")


def test_nothing_is_overwritten_and_names_are_names(dabench):
    dabench("new filter mine")
    for arguments, why in (
        (("filter", "mine"), "mine.py: is there already"),
        (("filter", "my-filter"), "cannot name a module"),
        (("filtr", None), "did you mean 'filter'"),
    ):
        with pytest.raises(UserError, match=why):
            new.new(*arguments)


@pytest.mark.parametrize("kind", new.KINDS)
def test_what_comes_next_is_a_command(kind):
    template, commands = new.KINDS[kind]
    assert (new.TEMPLATES / template).exists()
    for command in commands:
        parse(command.format(file="x.yaml", name="x"))


def test_templates_are_part_of_the_package():
    assert Path(cli.__file__).parent in new.TEMPLATES.parents
