"""Verification: what is true passes, one changed number is found, and a run can be made again."""

import functools
import hashlib
import json
import shutil
from pathlib import Path

import mock_run
import numpy as np
import pytest
from toy import toys  # noqa: F401

from dabench.cli.verify import _job as again
from dabench.cli.verify import report, verify
from dabench.core.errors import UserError
from dabench.leaderboard import results
from dabench.runs import experiment as experiments
from dabench.runs.archive.read import attributes, find_runs
from dabench.runs.execute import run
from dabench.runs.experiment import Experiment
from dabench.runs.forecasts import forecast
from dabench.scenario.scenario import Scenario
from dabench.scores.forecasts import Forecast, scored
from dabench.scores.record import Scores


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Runs of two seeds, and a result of them."""
    home = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        rec = mock_run.record(mock_run.SPHERE, seed=seed)
        mock_run.write(home / f"seed{seed}", rec=rec, seed=seed, digest=f"d{seed}")
    return home


@pytest.fixture(scope="module")
def made(archives, tmp_path_factory):
    (file,) = results.add(sorted(archives.glob("seed*")), tmp_path_factory.mktemp("results"))
    return file


@pytest.fixture
def result(made, tmp_path):
    """A copy to forge."""
    return shutil.copy(made, tmp_path / made.name)


def forge(file, change):
    """Change the runs of a result, as one would who knows of the checksum."""
    runs = json.loads(file.read_text())["runs"]
    change(runs)
    file.write_bytes(results.content(runs))


def test_a_result_is_what_its_archives_say(result, archives):
    verdicts = verify(result, archives)
    assert [v.seed for v in verdicts] == [0, 1]
    assert all(v.holds and v.numbers > 100 and not v.wrong for v in verdicts)


def test_each_forged_number_is_found_and_named(result, archives):
    """Each in a row of its own, so that none is found by way of another."""
    ends = {17: "value", 18: "low", 19: "high"}

    def change(runs):
        for row, end in ends.items():
            runs[1]["scores"][row][end] *= 1.00001

    forge(result, change)
    verdicts = verify(result, archives)
    assert [v.holds for v in verdicts] == [True, False]
    rows = json.loads(result.read_text())["runs"][1]["scores"]
    for text, (number, end) in zip(verdicts[1].wrong, ends.items(), strict=True):
        row = rows[number]
        assert text.startswith(f"{row['variable']} ")
        assert f"{row['metric']}, {end}: {row[end]}" in text
    with pytest.raises(UserError, match="seed 1"):
        report(result, archives, rerun=False)


def test_forged_series_rows_and_states_are_found(result, archives):
    def change(runs):
        runs[0]["series"][0]["values"][4] *= 1.1
        runs[0]["scores"].pop()
        runs[0]["spinup"] += 1

    forge(result, change)
    wrong = verify(result, archives)[0].wrong
    assert any("series" in text for text in wrong)
    assert any("is missing" in text for text in wrong)
    assert any("spinup" in text for text in wrong)


def test_each_forged_fact_is_found(result, archives):
    facts = {
        "members": 1000, "settings": {"gain": 123}, "method": "other", "filter": "other",
        "cost": {"seconds": 1e-6}, "provenance": {"device": "abacus"},
        "withheld": {"groups": [], "chi2": {}},
    }  # fmt: skip
    forge(result, lambda runs: [one.update(facts) for one in runs])
    for verdict in verify(result, archives):
        for name in facts:
            assert any(text.startswith(name) for text in verdict.wrong), name


def test_forecasts_from_a_run_are_part_of_its_result(tmp_path):
    home = tmp_path / "seed0"
    mock_run.write(home, mock_run.SPHERE, digest="d0")
    for steps, every in ((2, 3), (1, 5)):
        about = {"leads": steps, "starts": [2, 5, 8], "cycle_seconds": 43200.0}
        about["identity"] = {"run": "d0", "leads": steps, "every": every}
        rec = mock_run.record(mock_run.SPHERE, cycles=3 * (steps + 1) - 1)
        mock_run.write(home / f"lead{steps}_every{every}.forecast", mock_run.SPHERE, rec, **about)
    (file,) = results.add([home], tmp_path / "results")
    (made,) = results.load(file)
    longest = scored(home / "lead2_every3.forecast")
    of_result = Forecast.of(Scores.from_plain(made))
    assert made["forecasts"]["every"] == 3
    assert of_result.leads.tolist() == [0.0, 0.5, 1.0]  # days
    assert {key.metric for key in of_result.scores} == {"rmse", "crps", "spread", "spread_skill"}
    for key, values in of_result.scores.items():
        np.testing.assert_allclose(values, longest.scores[key], rtol=1e-6)
    (verdict,) = verify(file, tmp_path)
    assert not verdict.wrong

    def improve(runs):
        runs[0]["forecasts"]["scores"][3]["values"][1] *= 0.9

    forge(file, improve)
    assert verify(file, tmp_path)[0].wrong == ["forecasts: differ"]


def test_a_digest_that_no_archive_has_is_refused(result, archives):
    forge(result, lambda runs: [one.update(digest="d2") for one in runs])
    with pytest.raises(UserError, match="no archive"):
        verify(result, archives)


def test_a_relabelled_scenario_is_found(result, archives):
    def change(runs):
        for one in runs:
            one["scenario"]["name"] = "harder"

    forge(result, change)
    assert not any(v.holds for v in verify(result, archives))


def test_without_its_archive_a_result_is_not_verified(result, tmp_path):
    with pytest.raises(UserError, match="no archive of seed 0, 1"):
        verify(result, tmp_path / "empty")


@pytest.mark.usefixtures("toys")
def test_a_result_is_verified_by_running_its_scenario_again(tmp_path):
    changes = ["gain=0.3123456789012345"]
    folders = run("toy", methods=["forecast"], changes=changes, cycles=40, smooth=2)
    forecast(folders[0], "2", 30)
    (file,) = results.add(folders, tmp_path / "results")
    (verdict,) = verify(file, "runs", rerun=True)  # not the run that is there
    assert verdict.against.endswith("seed3.verify")
    assert find_runs("runs") == folders
    shutil.rmtree("runs")
    (verdict,) = verify(file, tmp_path / "again", rerun=True)
    assert verdict.holds
    assert not verdict.wrong  # the same machine: the same bits

    def improve(runs):
        for row in runs[0]["scores"]:
            row.update({k: row[k] * 0.5 for k in ("value", "low", "high")})

    forge(file, improve)
    (verdict,) = verify(file, tmp_path / "again", rerun=True)
    assert not verdict.holds

    def swap(runs):
        runs[0]["settings"]["gain"] = 0.1

    forge(file, swap)
    with pytest.raises(UserError, match="cannot make the same run"):
        verify(file, tmp_path / "again", rerun=True)


@pytest.mark.usefixtures("toys")
def test_a_result_from_before_a_setting_is_run_again_with_its_default(tmp_path):
    folders = run("toy", methods=["forecast"], cycles=40)
    (file,) = results.add(folders, tmp_path / "results")
    identity = (attributes(folders[0]) or {})["identity"]
    assert "gain" in identity["settings"]
    text = json.dumps({**identity, "settings": {}}, sort_keys=True)

    def older(runs):
        runs[0] |= {"settings": {}, "digest": hashlib.sha256(text.encode()).hexdigest()}

    forge(file, older)
    (verdict,) = verify(file, tmp_path / "again", rerun=True)
    assert not verdict.wrong


@functools.cache
def experiment(scenario: str) -> Experiment:
    """The experiment of a scenario's text, made once for all of its methods."""
    return Experiment(Scenario.model_validate_json(scenario))


COMMITTED = sorted(Path(__file__).parents[2].glob("leaderboard/results/*/*/*.json"))


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
def test_what_is_published_can_be_made_again(file, tmp_path, monkeypatch):
    """Scenario, system and settings of this dabench have the digest of the first seed."""
    monkeypatch.setattr(experiments, "Experiment", lambda s: experiment(s.model_dump_json()))
    one = json.loads(file.read_text())["runs"][0]
    one.setdefault("lag", 0)  # results of filters from before there were smoothers
    assert again(one, tmp_path).attrs()["digest"] == one["digest"]
