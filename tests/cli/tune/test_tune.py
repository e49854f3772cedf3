"""dabench tune: never on what is scored, going on where it was, and a baseline that says how."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import mock_run
import numpy as np
import pytest
import typer

from dabench.cli.tune import command, period
from dabench.cli.tune.command import tune
from dabench.cli.tune.objective import climate_std, objective
from dabench.cli.tune.search import Search, Trial, edges, space, trials
from dabench.core.errors import UserError
from dabench.scenario.baseline import Tuned, load_baseline
from dabench.scenario.load import change, load_scenario
from dabench.scores.files import load_scores
from dabench.systems.toys.linear_gaussian import linear_gaussian


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def go(here, capsys):
    """A search on linear_gaussian: (baseline's file, lines that were printed)."""

    def search(**options) -> tuple[Path, list[str]]:
        defaults = {"changes": ["variance_scale=0.01,0.1,1"], "cycles": 30}
        file = tune("linear_gaussian", "oi", **(defaults | options))
        return file, capsys.readouterr().out.splitlines()

    return search


def load_tuned(file: Path) -> Tuned:
    tuned = load_baseline("oi", file.parent.name).tuned
    assert tuned is not None
    return tuned


def test_the_baseline_holds_the_best_trial_and_all_that_were_made(go):
    file, lines = go(metric="rmse")
    baseline = load_baseline("oi", "linear_gaussian")
    assert file == Path("baselines/linear_gaussian/oi.yaml")
    assert baseline.tuned is not None
    by = {t.settings.get("filter.variance_scale"): t.objective for t in baseline.tuned.trials}
    assert set(by) == {None, 0.01, 0.1, 1}
    best = min(by, key=lambda v: by[v])
    assert baseline.settings["variance_scale"] == (0.1 if best is None else best)
    assert baseline.tuned.period == {"seed": 1000, "period.cycles": 30, "period.spinup": 15}
    assert [text.partition(" ")[0] for text in lines[:4]] == ["1/4", "2/4", "3/4", "4/4"]

    for folder in Path("runs/tune/linear_gaussian/oi/runs/oi").glob("*/seed1000"):
        std = float(np.sqrt(np.mean(np.var(linear_gaussian(size=16).climate, 0, ddof=1))))
        rmse = load_scores(folder).value(("state", None), "rmse")
        assert any(v == pytest.approx(rmse / std, rel=1e-4) for v in by.values())


def test_a_best_at_the_end_of_a_list_is_said():
    ended = [
        Trial({}, "complete", 1.0),  # the baseline, which has the settings of the next
        Trial({"filter.rtps": 0.8, "members": 16}, "complete", 1.0),
        Trial({"filter.rtps": 0.5, "members": 32}, "complete", 2.0),
    ]
    values = {"filter.rtps": [0.5, 0.8], "members": [8, 16, 32], "filter.ess": [[0, 1], [1, 1]]}
    assert list(edges(values, ended)) == [
        "filter.rtps=0.8 is at the end of what was tried; the best may lie beyond"
    ]
    assert not list(edges(space(["rtps=0.5..0.8"]), ended))
    assert not list(edges(values, []))


def test_a_search_of_nothing_is_refused(go):
    with pytest.raises(UserError, match=r"--set: say what to try, such as --set rtps=0\.1"):
        go(changes=[])
    assert not Path("runs").exists()


def test_a_baseline_that_wins_is_tuned_now(go):
    folder = Path("baselines/linear_gaussian")
    folder.mkdir(parents=True)
    text = "members: 1\nfilter: {name: oi, variance_scale: 0.1}\n"
    (folder / "oi.yaml").write_text(text + "reference: As on lorenz96; not tuned here\n")
    go(changes=["variance_scale=0.1"])  # the same; of equals the baseline wins
    reference = load_baseline("oi", "linear_gaussian").reference
    assert reference == "As on lorenz96, and the best of those tried here, see tuned"


@pytest.mark.parametrize(
    ("change", "moment"),
    [
        ("variance_scale=0.01,0.1,1", "told"),
        ("variance_scale=0.01..1 log", "told"),
        ("variance_scale=0.01..1 log", "running"),
    ],
)
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(change, moment, go, monkeypatch):
    def made(folder: str, file: Path) -> list[tuple]:
        assert (Path(folder) / "linear_gaussian/oi/trials.log").exists()
        return sorted((str(t.settings), t.objective) for t in load_tuned(file).trials)

    options = {"changes": [change], "most": 4, "cycles": 10}
    whole, _ = go(**options, out=Path("whole"), write=Path("baselines/whole/oi.yaml"))
    reference = made("whole", whole)

    real, count = command._objective, 0

    def stopping(metric):
        run = real(metric)

        def run_or_stop(job):
            nonlocal count
            count += 1
            if count == 3 and moment == "running":
                raise KeyboardInterrupt
            result = run(job)
            if count == 3:
                raise KeyboardInterrupt
            return result

        return run_or_stop

    monkeypatch.setattr(command, "_objective", stopping)
    with pytest.raises(typer.Exit):
        go(**options, out=Path("parts"), write=Path("baselines/parts/oi.yaml"))
    monkeypatch.setattr(command, "_objective", real)
    parts, _ = go(**options, out=Path("parts"), write=Path("baselines/parts/oi.yaml"))
    assert made("parts", parts) == reference


def test_a_run_that_ended_is_not_made_again(go):
    go()
    archives = sorted(Path("runs/tune").rglob("archive.zarr/zarr.json"))
    times = [file.stat().st_mtime_ns for file in archives]
    go()
    assert sorted(Path("runs/tune").rglob("archive.zarr/zarr.json")) == archives
    assert [file.stat().st_mtime_ns for file in archives] == times


def test_the_baseline_as_it_was_is_the_one_that_the_last_search_left(go):
    file = Path("baselines/linear_gaussian/oi.yaml")
    file.parent.mkdir(parents=True)
    file.write_text("members: 1\nfilter: {name: oi, variance_scale: 1e-6}\n")
    first = load_tuned(go(changes=["variance_scale=0.1"])[0])
    second = load_tuned(go(changes=["variance_scale=1e-5"])[0])
    assert first.best == second.best == second.trials[0].objective
    assert first.best != first.trials[0].objective


def search_of(changes: list[str], most: int) -> Search:
    scenario = load_scenario("linear_gaussian")
    when = period.values(scenario, seed=1000, cycles=10, offset=None, start=None)
    return Search("linear_gaussian", "oi", when, space(changes), most)


def pretended(search: Search, folder: Path, metric: str = "rmse") -> list[Trial]:
    """The trials of a search in which nothing runs: the smaller the scale the better."""

    def run(job):
        return "complete", float(job.baseline.settings["variance_scale"])

    return list(trials(search, folder, {"metric": metric}, run))


def test_searches_by_another_metric_or_space_know_nothing_of_each_other(tmp_path):
    one = pretended(search_of(["variance_scale=0.1,0.2"], 3), tmp_path)
    two = pretended(search_of(["variance_scale=0.1,0.2"], 3), tmp_path, "crps")
    other = pretended(search_of(["variance_scale=0.3,0.4"], 3), tmp_path)
    assert len(one) == len(two) == len(other) == 3
    assert {t.settings.get("filter.variance_scale") for t in other} == {None, 0.3, 0.4}


def test_trials_are_a_grid_or_proposals_the_baseline_first(tmp_path):
    def settings(changes, most, name):
        return [t.settings for t in pretended(search_of(changes, most), tmp_path / name)]

    grid = settings(["variance_scale=0.1,0.2", "members=1,4"], 20, "grid")
    assert grid[0] == {}
    assert len(grid) == 5
    assert {"filter.variance_scale": 0.2, "members": 4} in grid
    part = settings(["variance_scale=0.1,0.2,0.3", "members=1,4,8"], 5, "part")
    assert part[0] == {}
    assert len({str(p) for p in part}) == 5
    proposals = settings(["variance_scale=0.01..1 log", "members=1,4"], 12, "one")
    assert len(proposals) == 12
    assert all(0.01 <= p["filter.variance_scale"] <= 1 for p in proposals[1:])
    assert settings(["variance_scale=0.01..1 log", "members=1,4"], 12, "two") == proposals


def test_proposals_are_better_than_chance(tmp_path):
    values = [
        t.objective for t in pretended(search_of(["variance_scale=0.01..1 log"], 20), tmp_path)
    ]
    later = [v for v in values[12:] if v is not None]
    assert np.median(later) < 0.1  # the median of the range, which chance would have


def test_settings_that_a_method_does_not_take_are_refused_before_anything_runs(go):
    with pytest.raises(UserError, match="variance_scal"):
        go(changes=["variance_scal=0.1"])
    with pytest.raises(UserError, match="range"):
        go(changes=["variance_scale=a..b"])
    with pytest.raises(UserError, match="variance_scale"):
        go(changes=["variance_scale=-1..1"])
    assert not Path("runs").exists()


def test_what_is_scored_is_refused(go):
    with pytest.raises(UserError, match="seeds below 1000"):
        go(seed=3)
    atmosphere = load_scenario("temp_4deg")

    def changes(offset=None, cycles=None):
        values = {"seed": 1000, "offset": offset, "cycles": cycles, "start": None}
        return period.values(atmosphere, **values)

    assert changes()["scenario.period.offset"] == 22  # 20 cycles: 22 frames
    period.check_apart(atmosphere, changes())
    with pytest.raises(UserError, match="cycles 0 to 21 of the trajectory"):
        period.check_apart(atmosphere, changes(offset=21))
    later = change(load_scenario("temp_4deg"), cycles=20)
    later = later.model_copy(update={"period": later.period.model_copy(update={"offset": 30})})
    period.check_apart(later, changes(offset=8))
    with pytest.raises(UserError, match="meets"):
        period.check_apart(later, changes(offset=9))
    with pytest.raises(UserError, match="takes none"):
        go(offset=3)


def test_the_objective_is_a_mean_over_cells_and_none_where_one_is_missing():
    a, b = ("a", None), ("b", None)
    std = {a: 2.0, b: 4.0}
    scores = mock_run.scores({(a, "rmse"): 1.0, (b, "rmse"): 1.0, (a, "crps"): 9.0})
    assert objective(scores, std, "rmse") == 0.375
    assert objective(scores, std, "crps") is None
    assert objective(mock_run.scores({(a, "rmse"): 1.0, (b, "rmse"): None}), std, "rmse") is None


def test_no_climate_and_no_score_are_said(go):
    bare = replace(linear_gaussian(size=4), climate=jnp.zeros((1, 4)))
    with pytest.raises(UserError, match="no states of the climate"):
        climate_std(bare)
    with pytest.raises(UserError, match="no trial has a score"):
        go(seconds=0.0)
    assert not Path("baselines").exists()


def test_a_system_with_a_trajectory_for_tuning_is_tuned_on_that():
    scenario = change(load_scenario("temp_4deg"), system="{name: speedy}")
    options = {"seed": 1000, "cycles": 10, "offset": None, "start": None}
    changes = period.values(scenario, **options)
    assert changes["scenario.system.truth"] == "tuning"
    assert "scenario.period.offset" not in changes
    scored = change(scenario, system="{name: speedy, truth: tuning}")
    with pytest.raises(UserError, match=r"system\.truth: temp_4deg scores"):
        period.values(scored, **options)
    with pytest.raises(UserError, match="--offset: speedy takes none"):
        period.values(scenario, **options | {"offset": 5})
