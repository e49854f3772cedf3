"""From a scenario's file to archives: who runs, what is recorded, what a failure does to others."""

import io
import json
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console
from toy import toys  # noqa: F401

from dabench.core.errors import UserError
from dabench.core.random import stream
from dabench.runs import estimate, experiment
from dabench.runs import execute as running
from dabench.runs.archive import read
from dabench.runs.step import compile_step

pytestmark = pytest.mark.usefixtures("toys")


def go(*methods, **kw):
    """Outcome and what was printed."""
    console = Console(file=io.StringIO(), width=80)
    ours = {k: kw.pop(k) for k in ("fresh", "store_members") if k in kw}
    outcome = running.execute(running.plan("toy", methods=methods, **kw), console=console, **ours)
    return outcome, console.file.getvalue()


def test_every_method_has_the_same_truth_observations_and_initial_members():
    outcome, said = go("forecast", "diverging")
    a, b = map(read.open_run, outcome.folders)
    n = b["truth"].sizes["cycle"]
    for name in ("truth", "observations"):
        assert a[name].to_dataset().isel(cycle=slice(0, n)).identical(b[name].to_dataset())
    np.testing.assert_array_equal(a["members/x"][0], b["members/x"][0])
    assert said.count("seed3") == 2
    assert "forecast     complete" in said
    assert "diverging    diverged at cycle 3" in said


def test_the_root_of_the_archive_says_what_was_run():
    outcome, _ = go("forecast", members=2, seed=5, changes=["gain=0.5"])
    attrs = read.open_run(outcome.folders[0]).attrs
    assert str(outcome.folders[0]) == "runs/toy/toy/forecast/seed5"
    assert (attrs["method"], attrs["members"], attrs["seed"]) == ("forecast", 2, 5)
    assert attrs["settings"] == {"gain": 0.5}
    assert attrs["scenario"]["title"] == "Toy"
    assert attrs["system"] == {"name": "toy", "digest": "toy-0.1"}
    assert (attrs["cycles"], attrs["spinup"], attrs["completed"]) == (6, 2, 6)
    assert attrs["provenance"]["packages"]["jax"] == jax.__version__
    assert attrs["provenance"]["x64"] is True
    json.dumps(attrs)


def test_a_bug_in_one_method_leaves_the_others_their_results():
    outcome, said = go("broken", "forecast")
    assert [f.parent.name for f in outcome.folders] == ["forecast"]
    assert "broken       failed: ZeroDivisionError: a bug" in said
    with pytest.raises(ZeroDivisionError) as e:
        outcome.reraise()
    assert e.traceback[-1].name == "step"
    with pytest.raises(ExceptionGroup, match="2 methods failed"):
        go("broken", "unfit")[0].reraise()
    with pytest.raises(UserError, match="needs a model that can be differentiated"):
        go("unfit")[0].reraise()


def test_what_is_wrong_with_the_problem_is_said_once():
    path = Path("scenarios/toy.yaml")
    path.write_text(path.read_text().replace("cycles: 6", "cycles: 600"))
    with pytest.raises(UserError, match="the truth has 200 cycles"):
        go("forecast", "diverging")


def test_a_method_that_cannot_work_is_left_out_unless_it_was_asked_for(monkeypatch):
    monkeypatch.setattr(running, "DEFAULT_METHODS", ("unfit", "forecast"))
    outcome, said = go()
    assert "unfit        left out: needs a model that can be differentiated" in said
    assert [f.parent.name for f in outcome.folders] == ["forecast"]
    assert not outcome.failures
    assert isinstance(go("unfit")[0].failures[0], UserError)


def test_what_is_in_the_way_is_said_before_anything_runs():
    go("forecast")
    with pytest.raises(UserError, match="members: 3 there, 7 asked"):
        go("diverging", "forecast", members=7)
    assert not read.find_runs("runs/toy/toy/diverging")


def test_fresh_sets_the_old_run_aside_and_resume_leaves_it():
    go("forecast")
    outcome, said = go("forecast", members=2, fresh=True)
    assert "the old run is now runs/toy/toy/forecast/seed3.1" in said
    assert read.open_run("runs/toy/toy/forecast/seed3.1").attrs["members"] == 3
    assert read.open_run(outcome.folders[0]).attrs["members"] == 2
    before = os.stat(outcome.folders[0] / "archive.zarr/zarr.json").st_mtime_ns
    go("forecast", members=2)
    assert os.stat(outcome.folders[0] / "archive.zarr/zarr.json").st_mtime_ns == before


def test_a_profile_has_its_own_folder_and_values():
    path = Path("baselines/forecast.yaml")
    path.write_text(path.read_text() + "profiles: {large: {members: 5}}\n")
    outcome, _ = go("forecast", profile="large")
    assert outcome.folders[0].parent.name == "forecast-large"
    assert read.open_run(outcome.folders[0]).attrs["members"] == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["forcast"]}, "unknown method 'forcast'"),
        ({"methods": ["forecast"], "changes": ["gian=1"]}, "gian"),
        ({"system": "lorenz97"}, "lorenz97"),
    ],
)
def test_mistakes_are_found_by_the_plan(options, message):
    with pytest.raises(UserError, match=message):
        running.plan("toy", **options)


def test_iso_times_are_seconds_since_1970_in_utc():
    assert experiment.seconds(None) == 0
    assert experiment.seconds("1970-01-02T00:00:10") == 86410
    assert experiment.seconds("1970-01-01T02:00:00+02:00") == 0


def test_a_window_of_more_members_than_there_are_is_refused_before_anything_runs():
    changes = ["ess=[60,70]"]
    (job,) = running.plan("linear_gaussian", methods=["fa_apf"], changes=changes, members=16)
    with pytest.raises(UserError, match="members: 16 is too few with these settings, 61 is"):
        job.filter()
    (job,) = running.plan("linear_gaussian", methods=["letkf"], members=1)
    with pytest.raises(UserError, match="members: 1 is too few with these settings, 2 is"):
        job.filter()


def test_a_dry_run_of_a_sampler_counts_what_the_compiler_does():
    options = {"changes": ["sampler.levels=2"], "system": "{name: linear_gaussian, size: 300}"}
    (job,) = running.plan("linear_gaussian", methods=["guided"], members=64, cycles=1, **options)
    scaled = estimate.estimate(job)
    assert scaled.probed == 8
    method, twin = job.filter(), job.experiment.twin
    carry = method.init(twin.initial(64))
    step, _ = compile_step(method, stream(0, "filter"), carry, twin.observation(1))
    assert scaled.memory == pytest.approx(estimate._memory(step, twin), rel=0.25)


def test_a_dry_run_tells_sizes_and_writes_nothing(tmp_path):
    console = Console(file=io.StringIO(), width=100)
    estimate.show(running.plan("toy", methods=["forecast"]), None, console)
    said = console.file.getvalue()
    assert "6 cycles" in said
    assert "state          4 numbers" in said
    assert "observations   4 a cycle" in said
    assert "with members: 672 B" in said  # 7 states of 3 members of 4 numbers of 8 bytes
    assert "Rough" in said
    assert not (tmp_path / "runs").exists()
