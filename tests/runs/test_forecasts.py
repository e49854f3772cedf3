"""dabench forecast: from archived analyses, by lead, going on where it was."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import mock_run
import numpy as np
import pandas as pd
import pytest

from dabench.cli.forecast import forecast as command
from dabench.core.errors import UserError
from dabench.runs import forecasts
from dabench.runs.archive import read
from dabench.runs.execute import run
from dabench.runs.experiment import Experiment
from dabench.scenario.load import load_scenario
from dabench.scores.files import current_scores
from dabench.scores.forecasts import score_forecast
from dabench.scores.record import Key

STEPS = 3


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A run without model noise: 9 cycles of which the last four are scored, 4 members."""
    out = tmp_path_factory.mktemp("runs")
    options = {"methods": ["letkf"], "members": 4, "cycles": 9, "out": out}
    return run("lorenz63-sakov2012", **options)[0]


@pytest.fixture(scope="module")
def folder(made) -> Path:
    return forecasts.forecast(made, str(STEPS), 2)


def test_forecasts_are_the_models_own_from_the_archived_members(made, folder):
    tree = read.open_run(folder)
    spinup = read.open_run(made).attrs["spinup"]
    assert tree.attrs["starts"] == list(range(spinup, 10, 2))
    system = Experiment(load_scenario("lorenz63-sakov2012")).system
    x = jnp.asarray(forecasts.first_guess(read.open_run(made), system.layout, spinup))
    truth = system.truth(0, spinup + STEPS)
    for lead in range(STEPS + 1):
        record = {name: tree[name].to_dataset().isel(cycle=lead) for name in ("mean", "truth")}
        mean, true = (system.layout.from_dataset(fields).ravel() for fields in record.values())
        np.testing.assert_allclose(mean, np.asarray(x).mean(0), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(true, np.asarray(truth[spinup + lead], true.dtype))
        keys = jax.random.split(jax.random.key(0), len(x))  # the model has no noise
        x = system.model.forecast(keys, x, 0.0)


def test_scores_at_lead_0_are_those_of_the_analyses(made, folder):
    forecast, analyses = score_forecast(folder), current_scores(made)
    starts = forecast.starts
    for metric, root in ("rmse", True), ("crps", False):
        key = Key("all", None, "global", metric)
        series = analyses.every_cycle[key][starts]
        expected = np.sqrt(np.mean(series**2)) if root else np.mean(series)
        assert forecast.scores[key][0] == pytest.approx(expected, rel=1e-5)
    assert list(forecast.leads) == [0, 1, 2, 3]
    table = pd.read_csv(folder / "scores.csv")
    assert set(table["lead"]) == {0, 1, 2, 3}


def test_a_forecast_that_was_stopped_goes_on_as_if_it_had_not_been(made, folder):
    def stop(done: int, _: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forecasts.forecast(made, "2", 3, stop)
    part = made / "lead2_every3.forecast"
    assert read.ended(part) is None
    assert read.open_run(part).attrs["completed"] == 2  # the records of one start
    counts = []
    forecasts.forecast(made, "2", 3, lambda done, _: counts.append(done))
    assert counts[0] == 2
    whole, again = read.open_run(folder), read.open_run(part)
    first = [tree["mean"].to_dataset().isel(cycle=slice(3)) for tree in (whole, again)]
    assert first[0].drop_vars(["cycle", "time"]).equals(first[1].drop_vars(["cycle", "time"]))


def test_a_table_and_figures_are_made_and_nothing_twice(made, folder, capsys, tmp_path):
    before = (folder / "archive.zarr" / "zarr.json").stat().st_mtime_ns
    command([made], str(STEPS), 2, tmp_path)
    text = capsys.readouterr().out
    assert "LETKF" in text
    assert (folder / "archive.zarr" / "zarr.json").stat().st_mtime_ns == before
    assert {p.name for p in tmp_path.iterdir()} == {
        f"lead-{metric}.{kind}" for metric in ("rmse", "crps", "spread") for kind in ("svg", "png")
    }
    assert folder not in read.find_runs(made.parent)


@pytest.mark.parametrize(
    ("lead", "hours", "steps"), [("5d", 12, 10), ("36h", 12, 3), ("4", 6, 4), ("1.5d", 12, 3)]
)
def test_leads_are_days_hours_or_cycles(lead, hours, steps):
    assert forecasts.steps_of(lead, hours * 3600) == steps


@pytest.mark.parametrize("lead", ["5w", "0d", "7h", "", "-1"])
def test_other_leads_are_refused(lead):
    with pytest.raises(UserError, match="--lead"):
        forecasts.steps_of(lead, 12 * 3600)


def test_the_older_frame_is_the_ancestors_analysis_of_the_cycle_before(tmp_path):
    folder = tmp_path / "run"
    mock_run.write(folder)
    tree = read.open_run(folder)
    states = forecasts.first_guess(tree, mock_run.SPHERE, 4)
    older, newer = np.split(states, 2, axis=1)
    members = tree["members"].to_dataset()
    ancestor = tree["diagnostics"]["ancestor"].values[4].astype(int)
    for k, frame, index in (4, newer, np.arange(4)), (3, older, ancestor):
        fields = mock_run.SPHERE.from_dataset(members.isel(cycle=k), ("member",)).reshape(4, -1)
        np.testing.assert_array_equal(frame, fields[index])


def test_a_run_that_cannot_be_forecast_from_says_why(made, tmp_path):
    with pytest.raises(UserError, match="no run here"):
        forecasts.forecast(tmp_path, "5d", 4)
    options = {"methods": ["letkf"], "members": 4, "cycles": 2, "out": tmp_path}
    (bare,) = run("lorenz63-sakov2012", **options, store_members=False)
    with pytest.raises(UserError, match="--store-members"):
        forecasts.forecast(bare, "2", 1)
    file = made / "archive.zarr" / "zarr.json"
    content = file.read_bytes()
    document = json.loads(content)
    document["attributes"]["system"]["digest"] = "0" * 64
    try:
        file.write_text(json.dumps(document))
        with pytest.raises(UserError, match="another version of lorenz63"):
            forecasts.forecast(made, "4", 1)
    finally:
        file.write_bytes(content)
