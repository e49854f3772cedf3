"""dabench tune: never on what is scored, going on where it was, and a baseline that says how."""

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import mock_run
import numpy as np
import pytest

from dabench.cli.tune import period, trials
from dabench.cli.tune.command import tune
from dabench.cli.tune.objective import climate_std, objective
from dabench.cli.tune.trials import Log, Trial
from dabench.core.errors import UserError
from dabench.scenario.baseline import Tuned, load_baseline
from dabench.scenario.load import change, load_scenario
from dabench.scores.files import load_scores
from dabench.systems.toys.linear_gaussian import linear_gaussian


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load_tuned(file: Path) -> Tuned:
    found = load_baseline("oi", file.parent.name).tuned
    assert found is not None
    return found


def go(**options) -> tuple[Path, list[str]]:
    said: list[str] = []
    given = {"changes": ["variance_scale=0.01,0.1,1"], "cycles": 30, "say": said.append}
    return tune("linear_gaussian", "oi", **(given | options)), said


def test_the_baseline_holds_the_best_trial_and_all_that_were_made(here):
    file, said = go(metric="rmse")
    found = load_baseline("oi", "linear_gaussian")
    assert file == Path("baselines/linear_gaussian/oi.yaml")
    assert found.tuned is not None
    by = {t.settings.get("filter.variance_scale"): t.objective for t in found.tuned.trials}
    assert set(by) == {None, 0.01, 0.1, 1}
    best = min(by, key=lambda v: by[v])
    assert found.settings["variance_scale"] == (0.1 if best is None else best)
    assert found.tuned.period == {"seed": 1000, "period.cycles": 30, "period.spinup": 15}
    assert [text for text in said if "beyond" not in text] == said[:4]

    for folder in Path("runs/tune/linear_gaussian/oi/runs/oi").glob("*/seed1000"):
        std = float(np.sqrt(np.mean(np.var(linear_gaussian(size=16).climate, 0, ddof=1))))
        rmse = load_scores(folder).value(("state", None), "rmse")
        assert any(v == pytest.approx(rmse / std, rel=1e-4) for v in by.values())


def test_a_best_at_the_end_of_a_list_is_said():
    made = [
        Trial("a", {}, "complete", 1.0),  # the baseline, which has the settings of the next
        Trial("b", {"filter.rtps": 0.8, "members": 16}, "complete", 1.0),
        Trial("c", {"filter.rtps": 0.5, "members": 32}, "complete", 2.0),
    ]
    search = {"filter.rtps": [0.5, 0.8], "members": [8, 16, 32], "filter.ess": [[0, 1], [1, 1]]}
    assert list(trials.edges(search, made)) == [
        "filter.rtps=0.8 is at the end of what was tried; the best may lie beyond"
    ]
    assert not list(trials.edges(trials.space(["rtps=0.5..0.8"]), made))
    assert not list(trials.edges(search, []))


def test_a_search_of_nothing_is_refused(here):
    with pytest.raises(UserError, match=r"--set: say what to try, such as --set rtps=0\.1"):
        go(changes=[])
    assert not Path("runs").exists()


def test_a_baseline_that_wins_is_tuned_now(here):
    folder = Path("baselines/linear_gaussian")
    folder.mkdir(parents=True)
    text = "members: 1\nfilter: {name: oi, variance_scale: 0.1}\n"
    (folder / "oi.yaml").write_text(text + "reference: As on lorenz96; not tuned here\n")
    go(changes=["variance_scale=0.1"])  # the same; of equals the baseline wins
    reference = load_baseline("oi", "linear_gaussian").reference
    assert reference == "As on lorenz96, and the best of those tried here, see tuned"


def test_a_search_that_was_stopped_makes_no_trial_twice(here, monkeypatch):
    def stop(text: str) -> None:
        if text.startswith("2/4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(say=stop)
    log = Path("runs/tune/linear_gaussian/oi", trials.LOG)
    log.write_bytes(log.read_bytes() + b'{"about": {"scen')  # as a kill may leave it
    made, real = [], trials._try

    def watched(job, *rest):
        made.append(job.baseline.settings["variance_scale"])
        return real(job, *rest)

    monkeypatch.setattr(trials, "_try", watched)
    before, _ = go()
    best = load_baseline("oi", "linear_gaussian").settings
    assert made == [1]  # the baseline has 0.1
    _, again = go()
    assert made == [1]
    assert load_baseline("oi", "linear_gaussian").settings == best
    assert again[0].startswith(f"1/4 {load_tuned(before).best:.5g} (as it was)")


def test_the_baseline_as_it_was_is_the_one_that_the_last_search_left(here):
    file = Path("baselines/linear_gaussian/oi.yaml")
    file.parent.mkdir(parents=True)
    file.write_text("members: 1\nfilter: {name: oi, variance_scale: 1e-6}\n")
    first = load_tuned(go(changes=["variance_scale=0.1"])[0])
    second = load_tuned(go(changes=["variance_scale=1e-5"])[0])
    assert first.best == second.best == second.trials[0].objective
    assert first.best != first.trials[0].objective


def test_trials_of_another_scenario_or_metric_are_passed_over(tmp_path):
    one, two = (Log(tmp_path / "log", {"scenario": "a", "metric": m}) for m in ("rmse", "crps"))
    one.append(Trial("x", {}, "complete", 1.0))
    two.append(Trial("x", {}, "complete", 2.0))
    assert one.read()["x"].objective == 1.0
    assert two.read()["x"].objective == 2.0
    assert Log(tmp_path / "log", {"scenario": "b", "metric": "rmse"}).read() == {}


def test_what_is_scored_is_refused():
    with pytest.raises(UserError, match="seeds below 1000"):
        go(seed=3)
    atmosphere = load_scenario("temp_4deg")

    def changes(offset=None, cycles=None):
        asked = {"seed": 1000, "offset": offset, "cycles": cycles, "start": None}
        return period.values(atmosphere, **asked)

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


def test_trials_are_a_grid_or_random_points_the_baseline_first():
    when = period.values(
        load_scenario("linear_gaussian"), seed=1000, cycles=10, offset=None, start=None
    )

    def found(changes, most):
        points = trials.candidates("linear_gaussian", "oi", when, trials.space(changes), most)
        return [{k: v for k, v in p.values.items() if k[:9] != "scenario."} for p in points]

    grid = found(["variance_scale=0.1,0.2", "members=1,4"], 20)
    assert grid[0] == {}
    assert len(grid) == 5
    assert {"filter.variance_scale": 0.2, "members": 4} in grid
    drawn = found(["variance_scale=0.01..1 log", "members=1,4"], 12)
    assert len(drawn) == 12
    part = found(["variance_scale=0.1,0.2,0.3", "members=1,4,8"], 5)
    assert part[0] == {}
    assert len({str(p) for p in part}) == 5
    assert all(0.01 <= p["filter.variance_scale"] <= 1 for p in drawn[1:])
    assert found(["variance_scale=0.01..1 log", "members=1,4"], 12) == drawn
    with pytest.raises(UserError, match="variance_scal"):
        found(["variance_scal=0.1"], 5)
    with pytest.raises(UserError, match="range"):
        found(["variance_scale=a..b"], 5)


def test_the_objective_is_a_mean_over_cells_and_none_where_one_is_missing():
    a, b = ("a", None), ("b", None)
    std = {a: 2.0, b: 4.0}
    scores = mock_run.scores({(a, "rmse"): 1.0, (b, "rmse"): 1.0, (a, "crps"): 9.0})
    assert objective(scores, std, "rmse") == 0.375
    assert objective(scores, std, "crps") is None
    assert objective(mock_run.scores({(a, "rmse"): 1.0, (b, "rmse"): None}), std, "rmse") is None


def test_no_climate_and_no_score_are_said(here):
    bare = replace(linear_gaussian(size=4), climate=jnp.zeros((1, 4)))
    with pytest.raises(UserError, match="no states of the climate"):
        climate_std(bare)
    with pytest.raises(UserError, match="no trial has a score"):
        go(seconds=0.0)
    assert not Path("baselines").exists()
