"""dabench tune: never on what is scored, going on where it was, and a baseline that says how."""

from pathlib import Path

import mock_run
import numpy as np
import pytest
import typer

from dabench.cli.tune import command, period
from dabench.cli.tune.command import tune
from dabench.cli.tune.objective import evaluations, objective
from dabench.cli.tune.search import (
    Outcome,
    Search,
    Trial,
    edges,
    final_space,
    spent_by,
    trials,
)
from dabench.cli.tune.space import End, declared, grown, in_words, space
from dabench.core.errors import UserError
from dabench.scenario.baseline import Tuned, load_baseline
from dabench.scenario.load import change, load_scenario
from dabench.scores.files import load_scores
from dabench.systems import make


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

    free = load_scores(next(Path("runs/tune/linear_gaussian/ensemble").rglob("scores.json")))
    for file in Path("runs/tune/linear_gaussian/oi").rglob("scores.json"):
        rmse = [run.value(("state", None), "rmse") for run in (load_scores(file), free)]
        ratio = rmse[0] / rmse[1]  # the one field is observed: the mean over kinds is its own
        assert any(v == pytest.approx(ratio, rel=1e-4) for v in by.values())


def test_a_best_at_the_end_of_a_list_or_range_is_said():
    search = search_of(["variance_scale=0.5,0.8", "members=8,16,32"], 20)
    best = {"filter.variance_scale": 0.8, "members": 16}
    ended = [
        Trial({}, "complete", 3.0),
        Trial(best, "complete", 1.0),
        Trial({"filter.variance_scale": 0.5, "members": 32}, "complete", 2.0),
    ]
    says = ["filter.variance_scale=0.8 is at the end of what was tried; the best may lie beyond"]
    assert list(edges(search, ended)) == says
    assert list(edges(search_of(["variance_scale=0.5..0.81"], 20), ended)) == says
    assert not list(edges(search_of(["variance_scale=0.5..0.9"], 20), ended))
    assert not list(edges(search, [Trial({}, "diverged", None)]))


def test_the_end_of_what_a_method_takes_is_no_end_to_go_beyond():
    search = search_of(["rtps=0..1.5"], 20)._replace(method="letkf")
    for value in 0.0, 1.5:  # rtps is at most 1.5 and at least 0
        assert not list(edges(search, [Trial({"filter.rtps": value}, "complete", 1.0)]))
    search = search_of(["rtps=0.3..1.2"], 20)._replace(method="letkf")
    assert list(edges(search, [Trial({"filter.rtps": 0.31}, "complete", 1.0)]))


@pytest.mark.parametrize(
    ("values", "low", "larger"),
    [
        ("1..3", True, "0..3"),
        ("1..3", False, "1..4"),
        ("1..100 log", False, "1..1000 log"),
        ("1..100 log", True, "0.1..100 log"),
        ("1..4 whole", False, "1..6 whole"),
        ("1..2 whole", False, "1..3 whole"),
    ],
)
def test_a_range_grows_by_a_share_of_its_length(values, low, larger):
    choices = space([f"x={values}"])["filter.x"]
    assert in_words(choices) == values
    assert in_words(grown(choices, End("filter.x", 0, low), 0.5)) == larger  # type: ignore[arg-type]


def test_a_method_that_declares_nothing_is_refused(here):
    with pytest.raises(UserError, match="persistence: declares no settings to search"):
        tune("linear_gaussian", "persistence", cycles=10)
    assert not Path("runs").exists()


METHODS = ["4dvar", "bootstrap", "enkf", "ensf", "fa_apf", "fa_enkf", "guided", "guided_window",
           "hybrid_3dvar", "insertion", "letkf", "lpf", "oi"]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_all_of_the_space_that_it_declares(method):
    for name, on_sphere in ("linear_gaussian", False), ("temp_4deg", True):
        scenario = load_scenario(name)
        values = declared(load_baseline(method, scenario).filter, make.layout(scenario))
        Search(name, method, {}, values, 20).check()
        assert not any(key.endswith("_sites" if on_sphere else "_km") for key in values)


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
        pytest.param("variance_scale=0.01..1 log", "told", marks=pytest.mark.slow),
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

    def stopping(*arguments):
        run = real(*arguments)

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
        scale = float(job.baseline.settings["variance_scale"])
        return Outcome("complete", scale, 10.0)

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
    assert all(0.01 <= p["filter.variance_scale"] <= 1 for p in proposals[1:4])  # before it grows
    assert settings(["variance_scale=0.01..1 log", "members=1,4"], 12, "two") == proposals


def test_proposals_are_better_than_chance(tmp_path):
    values = [
        t.objective for t in pretended(search_of(["variance_scale=0.01..1 log"], 20), tmp_path)
    ]
    later = [v for v in values[12:] if v is not None]
    assert np.median(later) < 0.1  # the median of the range, which chance would have


def test_a_search_goes_on_beyond_a_range_whose_end_is_the_best(tmp_path):
    search = search_of(["variance_scale=0.2..0.5 log"], 20)  # the baseline has 0.1: it lies below
    ended = pretended(search, tmp_path)
    assert min(t.objective for t in ended if t.objective is not None) < 0.1
    assert final_space(search, ended)["filter.variance_scale"].low < 0.1  # type: ignore[union-attr]
    assert pretended(search, tmp_path) == ended


def test_no_trial_begins_once_the_budget_is_spent(tmp_path):
    search = search_of(["variance_scale=0.01..1 log"], 100)._replace(budget=75)
    ended = pretended(search, tmp_path)
    assert len(ended) == 8  # of 10 evaluations each: the last began at 70
    assert spent_by(ended) == 80
    more = pretended(search._replace(budget=95), tmp_path)
    assert len(more) == 10


def test_settings_that_come_again_cost_nothing(tmp_path):
    search = search_of(["degree=4..5 whole"], 30)._replace(method="insertion", budget=60)
    settings = lambda job: Outcome("complete", job.baseline.settings["degree"], 10.0)  # noqa: E731
    ended = list(trials(search, tmp_path, {}, settings))
    kinds = {str(t.settings) for t in ended}
    assert spent_by(ended) == 10 * len(kinds)
    assert len(ended) == 30 or spent_by(ended) >= 60


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
    atmosphere = load_scenario("dry_temp_4deg")

    def changes(offset=None, cycles=None):
        values = {"seed": 1000, "offset": offset, "cycles": cycles, "start": None}
        return period.values(atmosphere, **values)

    assert changes()["scenario.period.offset"] == 22  # 20 cycles: 22 frames
    period.check_apart(atmosphere, changes())
    with pytest.raises(UserError, match="cycles 0 to 21 of the trajectory"):
        period.check_apart(atmosphere, changes(offset=21))
    later = change(load_scenario("dry_temp_4deg"), cycles=20)
    later = later.model_copy(update={"period": later.period.model_copy(update={"offset": 30})})
    period.check_apart(later, changes(offset=8))
    with pytest.raises(UserError, match="meets"):
        period.check_apart(later, changes(offset=9))
    with pytest.raises(UserError, match="takes none"):
        go(offset=3)


def test_observed_fields_and_others_weigh_alike_and_a_missing_one_is_none():
    cells = [("a", None), ("b", None), ("c", None)]
    scenario = {"observations": [{"variables": ["a"]}]}

    def scores(*values):
        table = dict(zip([(cell, "crps") for cell in cells], values, strict=True))
        return mock_run.scores(table).replace(scenario=scenario)

    free = scores(2.0, 4.0, 8.0)
    assert objective(scores(1.0, 1.0, 8.0), free, "crps") == pytest.approx(0.5)  # (1/2 + 1/2) / 2
    assert objective(scores(1.0, None, 8.0), free, "crps") is None
    assert objective(free, free, "rmse") is None


def test_a_jacobian_product_is_worth_two_evaluations():
    run = mock_run.scores({(("a", None), "crps"): 1.0}).replace(members=4, completed=10)
    assert evaluations(run.replace(cost={"evaluations": 120.0, "products": 30.0})) == 4 * 180
    assert evaluations(run.replace(cost={})) == 40  # forecasts


def test_no_score_is_said(go):
    with pytest.raises(UserError, match="no trial has a score"):
        go(seconds=0.0)
    assert not Path("baselines").exists()


def test_a_system_with_a_trajectory_for_tuning_is_tuned_on_that():
    scenario = load_scenario("temp_4deg")
    options = {"seed": 1000, "cycles": 10, "offset": None, "start": None}
    changes = period.values(scenario, **options)
    assert changes["scenario.system.truth"] == "tuning"
    assert "scenario.period.offset" not in changes
    scored = change(scenario, system="{name: speedy, truth: tuning}")
    with pytest.raises(UserError, match=r"system\.truth: temp_4deg scores"):
        period.values(scored, **options)
    with pytest.raises(UserError, match="--offset: speedy takes none"):
        period.values(scenario, **options | {"offset": 5})
