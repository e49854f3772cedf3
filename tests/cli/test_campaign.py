"""Campaigns: what is queued, that all of it is run once, and what is told of failures and kills."""

import re
import signal

import pytest
import toy
from toy import toys
from typer.testing import CliRunner

from dabench.cli import app, campaign
from dabench.cli.queue import Task, one_by_one
from dabench.core.errors import UserError
from dabench.runs.archive import read
from dabench.scenario.baseline import load_baseline

__all__ = ["toys"]

METHODS = ("-m", "forecast", "-m", "broken", "-m", "unfit", "-m", "diverging")
PLAIN = ("--cycles", "6", "--nice", "0", "--out", "runs")
OPTIONS = ("--seeds", "0-1", *PLAIN)


@pytest.fixture
def ground(toys, tmp_path):
    """The toy's files and filters."""
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(app, ["campaign", *arguments])


def lines(result) -> list[str]:
    """What is said of each run, behind its time and count where it was made."""
    line = re.compile(r"(?:[\d-]{10} [\d:]{8} \d+ of \d+ )?(toy .*)")
    return [match[1] for text in result.output.splitlines() if (match := line.match(text))]


def test_every_run_is_made_whatever_becomes_of_the_others(ground):
    result = call("toy", *METHODS, *OPTIONS)
    assert result.exit_code == 1
    statuses = {tuple(line.split(maxsplit=4)[1:4]) for line in lines(result)}
    assert {s for s in statuses if s[1] == "1"} == {
        ("forecast", "1", "complete"),
        ("broken", "1", "failed"),
        ("unfit", "1", "refused"),
        ("diverging", "1", "diverged"),
    }
    assert "2 complete, 2 failed, 2 refused, 2 diverged" in result.output
    assert "ZeroDivisionError: a bug" in result.output
    assert (ground / "runs/toy/toy/forecast/seed1/scores.json").exists()


def test_what_is_there_is_not_made_again_and_only_that(ground):
    assert call("toy", "-m", "forecast", *OPTIONS).exit_code == 0
    files = sorted((ground / "runs").rglob("scores.json"))
    before = [file.stat().st_mtime_ns for file in files]
    result = call("toy", "-m", "forecast", "--seeds", "0-2", *PLAIN)
    assert "2 there already, 1 complete" in result.output
    assert [file.stat().st_mtime_ns for file in files] == before
    other = call("toy", "-m", "forecast", *OPTIONS, "--members", "7")
    assert other.exit_code == 2
    assert "holds another run" in other.output


def test_killed_half_way_a_campaign_goes_on_and_ends_as_if_nothing_had_been(ground, tmp_path):
    order = ("campaign", "toy", "-m", "forecast", "--seeds", "0-2", "--cycles", "40", "--nice",
             "0", "--out")  # fmt: skip
    assert toy.command(ground, *order, "runs-whole") == 0, (ground / "log.txt").read_text()
    folders = {seed: f"toy/toy/forecast/seed{seed}" for seed in range(3)}
    half_way = 0
    # Each attempt may go further than the one before it: what an attempt left unfinished is taken
    # away by the next one, so attempts of one length could undo each other's work for ever.
    for changes in range(2000, 20_000, 1000):
        code = toy.command(ground, *order, "runs-cut", strike=(changes, signal.SIGKILL))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        cut = {seed: read.attributes(ground / "runs-cut" / f) for seed, f in folders.items()}
        ended = [bool(attrs) and attrs["status"] == "complete" for attrs in cut.values()]
        plan = call(*order[1:], "runs-cut", "--dry-run").output.splitlines()
        assert [("ended" in line) for line in plan] == ended
        half_way += any(ended) and not all(ended)
    assert code == 0
    assert half_way
    for folder in folders.values():
        one, other = (read.open_run(ground / out / folder) for out in ("runs-whole", "runs-cut"))
        assert toy.same(one, other)


def test_a_campaign_that_is_told_to_stop_says_how_to_go_on(ground):
    order = ("campaign", "toy", "-m", "forecast", "--cycles", "40", "--nice", "0", "--out", "runs")
    assert toy.command(ground, *order, strike=(40, signal.SIGTERM)) == 130
    text = (ground / "log.txt").read_text()
    assert "Traceback" not in text
    assert "dabench campaign toy -m forecast --cycles 40 --nice 0 --out runs" in text


def test_mistakes_are_told_before_anything_runs(ground):
    for scenario, method in (("toi", "forecast"), ("toy", "forcast")):
        with pytest.raises(UserError):
            campaign.campaign([scenario], method=[method], seeds="0")
    assert not (ground / "runs").exists()


def test_boards_get_their_first_seed_first(ground):
    tasks = campaign.queue(["toy", "linear_gaussian", "toy"], ["forecast"], [0, 1], {"out": "runs"})
    order = [(task.about["seed"], task.about["scenario"]) for task in tasks]
    assert order == [(0, "toy"), (0, "linear_gaussian"), (1, "toy"), (1, "linear_gaussian")]
    assert len({task.key for task in tasks}) == 4


def test_other_sizes_than_a_methods_own_are_rows_beside_it(ground):
    own = load_baseline("forecast", "toy").members
    order = ("toy", "-m", "forecast", "--sizes", f"8,{own}", "--seeds", "0", *PLAIN)
    result = call(*order, "--dry-run")
    assert [line.split()[1] for line in lines(result)] == ["forecast-n8", "forecast"]
    for sizes in ("4,x", "0", ""):
        with pytest.raises(UserError, match="is not of the form 4,16,40"):
            campaign.size_list(sizes)
    assert "give one of the two" in str(call(*order, "--members", "4").exception)


def test_a_task_that_fails_is_a_row():
    tasks = [Task("a", {"method": "a"}, (0,)), Task("b", {"method": "b"}, (1,))]
    rows = list(one_by_one(tasks, lambda n: {"status": "complete", "value": 1 / n}))
    assert [row["status"] for row in rows] == ["failed", "complete"]
    assert rows[0]["reason"] == "ZeroDivisionError: division by zero"
