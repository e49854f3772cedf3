"""Sweeps: which runs there are, that they are run once, and what is reported of them."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from rich.console import Console

from dabench.cli.sweep import execute, spec
from dabench.cli.sweep.command import sweep
from dabench.core.errors import UserError
from dabench.runs.archive import read
from dabench.scores.metrics import registry
from dabench.scores.time_means import headline

QUIET = Console(quiet=True)
ROOT = Path(__file__).parents[3]
GRID = """
scenario: linear_gaussian
methods: [letkf]
vary:
  members: [4, 8]
  scenario.observations.0.error_std: [0.25, 1.0]
  scenario.period.cycles: [30]
score: {metric: rmse}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="study.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_grid_is_all_combinations_each_with_a_folder_of_its_own(write):
    points = spec.points(spec.load(write(GRID)))
    pairs = {(p.values["members"], p.values["scenario.observations.0.error_std"]) for p in points}
    assert pairs == {(4, 0.25), (4, 1.0), (8, 0.25), (8, 1.0)}
    assert len({p.digest for p in points}) == 4
    job = points[0].job(Path("out"))
    assert (job.baseline.members, job.experiment.scenario.observations[0].error_std) == (4, 0.25)
    assert job.experiment.scenario.period.cycles == 30


def test_a_random_search_stays_in_its_ranges_and_is_repeatable(write):
    text = GRID.replace("[4, 8]", "[4, 8]\n  filter.rtps: {low: 0.01, high: 1, scale: log}")
    path = write(text + "random: {runs: 200, seed: 1}\n")
    points = spec.points(spec.load(path))
    drawn = pd.Series([p.values["filter.rtps"] for p in points])
    assert drawn.between(0.01, 1).all()
    assert abs((drawn < 0.1).mean() - 0.5) < 4 * 0.5 / 200**0.5  # half of the factors are below
    assert spec.points(spec.load(path)) == points


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("members:", "member:", "neither members"),
        ("[4, 8]", "{low: 1, high: 2}", "a range needs"),
        ("vary:", "varies:", "unknown"),
    ],
)
def test_mistakes_are_told_with_their_line(old, new, message, write):
    with pytest.raises(UserError, match=rf"(?s)line \d.*{message}"):
        spec.load(write(GRID.replace(old, new, 1)))


def test_settings_that_are_none_are_refused_before_anything_runs(write, tmp_path):
    for name in ("filter.rtpz", "scenario.observations.7.error_std", "scenario.sede"):
        path = write(GRID.replace("scenario.period.cycles", name))
        with pytest.raises(UserError):
            sweep(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("{metric: rsme}", "rsme is not one of .*rmse"),
        ("{variable: temprature}", "no temprature at level None; there are state"),
    ],
)
def test_scores_that_no_run_has_are_refused_before_anything_runs(target, message, write, tmp_path):
    path = write(GRID.replace("{metric: rmse}", target))
    with pytest.raises(UserError, match=message):
        sweep(path, tmp_path / "out", dry_run=True)


def test_the_metrics_of_a_target_are_those_of_scores():
    values = xr.DataArray(np.ones((1, 8)), dims=("region", "cycle"))
    means = xr.Dataset({m.name: values for m in registry.METRICS if m.pointwise})
    assert set(headline(means, 3)) == set(registry.names())


def test_a_sweep_knows_its_scenario_from_elsewhere(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "scenarios/linear_gaussian.yaml").read_text()
    (tmp_path / "own.yaml").write_text(text)
    path = write(GRID.replace("scenario: linear_gaussian", "scenario: own.yaml"))
    assert spec.load(path).scenario == str(tmp_path / "own.yaml")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cluster": "slurm", "options": "{queue: x"}, "is not JSON"),
        ({"cluster": "slurm", "options": "[1]"}, "give an object"),
        ({"scheduler": "nonsense"}, "--scheduler nonsense: .*tcp://"),
    ],
)
def test_mistakes_about_workers_are_told(given, message):
    pytest.importorskip("distributed")
    given = {"scheduler": None, "cluster": None, "options": ""} | given
    with pytest.raises(UserError, match=message), execute.client(workers=1, **given):
        pass


def test_sweeps_of_one_scheduler_get_results_of_their_own(tmp_path):
    pytest.importorskip("distributed")
    keys = []

    class Scheduler:
        def submit(self, f, *arguments, key, retries):
            keys.append(key)
            raise StopIteration

    point = spec.Point(scenario="linear_gaussian", method="letkf", values={})
    for out, metric in (("a", "rmse"), ("a", "rmse"), ("b", "rmse"), ("a", "crps")):
        target = spec.ScoreTarget(metric=metric)
        with pytest.raises(RuntimeError):
            next(execute.execute(Scheduler(), [point], tmp_path / out, target, 0))
    assert len(set(keys)) == 3


@pytest.fixture(autouse=True)
def dask_settings():
    """A client sets Dask's scheduler for the process, and one that cannot connect leaves it set."""
    dask = pytest.importorskip("dask")
    with dask.config.set(scheduler=None):
        yield


@pytest.fixture(params=["here", pytest.param("cluster", marks=pytest.mark.slow)])
def place(request, monkeypatch):
    """Where a sweep runs: on a thread of this process, or on processes of a local cluster."""
    distributed = pytest.importorskip("distributed")

    @contextmanager
    def here(*_):
        with distributed.Client(processes=False, n_workers=1, threads_per_worker=1) as client:
            yield client

    if request.param == "here":
        monkeypatch.setattr(execute, "client", here)


@pytest.mark.usefixtures("place")
def test_a_sweep_runs_everything_once(write, tmp_path):
    path = write(GRID.replace("[4, 8]", "[4]"))
    files = sweep(path, tmp_path, workers=2)
    assert {f.suffix for f in files} == {".csv", ".png"}
    table = pd.read_csv(tmp_path / "study" / "sweep.csv")
    assert list(table["status"]) == ["complete"] * 2
    better = table.groupby("scenario.observations.0.error_std")["score"].mean()
    assert better[0.25] < better[1.0]  # more accurate observations, smaller error
    runs = read.find_runs(tmp_path / "study" / "runs")
    before = {run: (run / "scores.json").stat().st_mtime_ns for run in runs}
    assert len(before) == 2
    sweep(write(GRID), tmp_path)
    assert len(pd.read_csv(tmp_path / "study" / "sweep.csv")) == 4
    assert all((run / "scores.json").stat().st_mtime_ns == t for run, t in before.items())


def test_the_sweeps_that_ship_are_sound():
    for path in (ROOT / "sweeps").glob("*.yaml"):
        for point in spec.points(spec.load(path)):
            point.job(Path("out"))
