"""Runs on real values: scored by observations alone, or by an analysis in place of the truth."""

from pathlib import Path

import globe
import numpy as np
import pandas as pd
import pytest
import xskillscore
from typer.testing import CliRunner

from dabench.cli import app
from dabench.leaderboard import site
from dabench.runs.archive import read
from dabench.scenario.load import load_scenario
from dabench.scores.compare import compare
from dabench.scores.files import load_scores

SCENARIO = """
title: Soundings
system: {name: "globe:globe"}
observations: {file: soundings.csv, withhold: {share: 0.4, seed: 1}}
period: {start: "2008-12-08T00:00", cycles: 6, spinup: 1}
initial: {kind: perturbed, amplitude: 1.0}
"""
EMPTY = 4
"""The cycle in which nobody reports."""


def write(folder, text=SCENARIO):
    """A scenario, and a table of its truth with errors of half a kelvin at thirty grid points."""
    rng, rows = np.random.default_rng(5), []
    states = globe.truth(0, 6).reshape(7, 2, -1)
    points = rng.choice(np.arange(12, 72), 30, replace=False)  # none at the poles
    lat, lon = (globe.LAYOUT.positions[c][points] for c in ("latitude", "longitude"))
    for cycle in (k for k in range(1, 7) if k != EMPTY):
        time = pd.Timestamp("2008-12-08") + pd.Timedelta(hours=6 * cycle - 1)
        for channel, level in enumerate((500, 850)):
            for i, point in enumerate(points):
                value = states[cycle, channel, point] + 0.5 * rng.normal()
                rows.append([time.isoformat(), lat[i], lon[i], level, "temperature", value, 0.5])
    names = ["time", "latitude", "longitude", "level", "variable", "value", "error"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "soundings.csv", index=False)
    (folder / "real.yaml").write_text(text)


def dabench(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with runs of two methods; the commands have been given there."""
    home = tmp_path_factory.mktemp("real")
    write(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        methods = ("-m", "ensemble", "-m", "enkf")
        (home / "said.txt").write_text(dabench("run", "real.yaml", *methods, "--members", "6"))
    return home


def run_of(folder, method):
    return next(folder.glob(f"runs/**/{method}/seed0"))


def test_the_table_of_a_run_says_what_it_is_held_to(folder):
    said = " ".join((folder / "said.txt").read_text().split())
    assert "no truth: analyses are scored by withheld observations" in said
    assert "diverged" not in said


def test_scores_are_those_of_withheld_observations(folder):
    path = run_of(folder, "enkf")
    scores, tree = load_scores(path), read.open_run(path)
    withheld = tree["withheld"].to_dataset()
    members = tree["members"].to_dataset()["temperature"]
    at = {
        "latitude": withheld["latitude"].drop_vars("latitude"),
        "longitude": withheld["longitude"].drop_vars("longitude"),
        "level": withheld["level"].drop_vars("level"),
    }
    hx, y = members.sel(at).load(), withheld["y"]  # stations are grid points
    mean, var = hx.mean("member"), hx.var("member", ddof=1)
    for level in (500.0, 850.0):
        own = np.asarray(withheld["level"] == level)
        d = (y - mean)[:, own][2:].dropna("cycle").values  # after the spin-up, without empty cycles
        crps = xskillscore.crps_gaussian(y, mean, np.sqrt(var + 0.25), dim=[])[:, own][2:]
        cell = ("temperature", level)
        assert d.shape == (4, 12)
        assert scores.value(cell, "rmse") == pytest.approx(np.sqrt((d**2).mean()))
        assert scores.value(cell, "crps") == pytest.approx(float(crps.mean(skipna=True)))
        assert scores.value(cell, "bias") == pytest.approx(-d.mean())
        expected = var.values[:, own][[2, 3, 5, 6]].mean() * 7 / 6 + 0.25
        ratio = np.sqrt(expected / (d**2).mean())
        assert scores.value(cell, "spread_skill") == pytest.approx(ratio)
    assert scores.regions["global"] == 24
    assert np.isnan(scores.series(("temperature", 500.0), "rmse")[EMPTY])
    assert tree["truth"].to_dataset()["temperature"].isel(cycle=slice(1, None)).isnull().all()


def test_departures_are_archived_and_counted(folder):
    scores = load_scores(run_of(folder, "enkf"))
    row = next(r for r in scores.observations.groups if r["level"] == 500)
    assert (row["count"], row["used"], row["missing"]) == (18, 72, 18)
    assert row["analysis_rms"] < row["rms"]  # O-A and O-B of what was used
    stages = {row["stage"] for row in scores.withheld.groups}
    assert stages == {"background", "analysis"}


def test_methods_are_compared_where_there_are_observations(folder, monkeypatch):
    monkeypatch.chdir(folder)
    enkf, ensemble = run_of(folder, "enkf"), run_of(folder, "ensemble")
    table = compare(enkf, ensemble, cells=[("temperature", 500.0)], metrics=("rmse",))
    row = table.iloc[0]
    assert row["cycles"] == 4
    assert row["a"] == pytest.approx(load_scores(enkf).value(("temperature", 500.0), "rmse"))
    assert "no truth" in " ".join(dabench("compare").split())
    dabench("score", str(enkf))
    dabench("show", str(enkf))


def test_the_board_says_that_there_is_no_truth(folder, monkeypatch):
    monkeypatch.chdir(folder)
    site.build([Path("runs")], Path("site"))
    pages = "".join(page.read_text() for page in Path("site").rglob("*.html"))
    assert "No truth: analyses are scored by withheld observations" in pages


def test_without_withheld_observations_forecasts_are_held_to_those_not_yet_used(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dabench.cli.run.draw", lambda *_: None)
    write(tmp_path, SCENARIO.replace(", withhold: {share: 0.4, seed: 1}", ""))
    said = dabench("run", "real.yaml", "-m", "enkf", "--members", "6", "--cycles", "2")
    assert "no truth: forecasts are scored by observations not yet used" in " ".join(said.split())
    scores = load_scores(run_of(tmp_path, "enkf"))
    row = next(r for r in scores.observations.groups if r["level"] == 500)
    assert scores.value(("temperature", 500.0), "rmse") == pytest.approx(row["rms"])


def test_an_analysis_may_stand_for_the_truth(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dabench.cli.run.draw", lambda *_: None)
    write(tmp_path, SCENARIO + "verify: analysis\n")
    said = dabench("run", "real.yaml", "-m", "ensemble", "--members", "6", "--cycles", "2")
    assert "the truth is an analysis of much the same observations" in " ".join(said.split())
    path = run_of(tmp_path, "ensemble")
    scores, tree = load_scores(path), read.open_run(path)
    truth = tree["truth"].to_dataset()["temperature"].values
    np.testing.assert_allclose(truth.reshape(3, -1), globe.truth(0, 2))
    assert scores.value(("temperature", 850.0), "rmse") > 0
    assert scores.withheld is not None


def test_check_says_what_is_taken_of_a_table(tmp_path):
    write(tmp_path)
    result = CliRunner().invoke(app, ["check", str(tmp_path / "real.yaml")])
    assert "0 to 36 real values a cycle" in result.output
    assert "300 of 300 values taken" in result.output


def test_a_scenario_has_the_digest_of_its_values(tmp_path):
    write(tmp_path)
    one = load_scenario(tmp_path / "real.yaml")
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("real.yaml", "soundings.csv"):
        (moved / name).write_bytes((tmp_path / name).read_bytes())
    assert load_scenario(moved / "real.yaml").digest == one.digest
    lines = (moved / "soundings.csv").read_text().splitlines()
    (moved / "soundings.csv").write_text("\n".join(lines[:-1]))
    assert load_scenario(moved / "real.yaml").digest != one.digest
    assert str(tmp_path) not in str(one.problem())
