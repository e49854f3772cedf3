"""Scores of archives of random numbers against the formulas written out in NumPy."""

import json
import subprocess
import sys

import mock_run
import numpy as np
import pandas as pd
import pytest
from patience import PATIENCE

from dabench.core.errors import UserError
from dabench.runs.archive import store
from dabench.runs.archive.status import COMPLETE, diverged_at
from dabench.scores import diagnostics, files
from dabench.scores.metrics import UNWEIGHTED
from dabench.scores.record import Departures, Scores
from dabench.scores.score import score

SCORED = slice(3, 10)  # cycles after the spin-up
T2, T500 = ("2m_temperature", None), ("temperature", 500.0)


def areas(north_of=-91.0):
    """Weights (point,) of mock_run.SPHERE, from the areas of its bands."""
    edges = np.deg2rad([-90, -75, -45, -15, 15, 45, 75, 90])
    rows = np.diff(np.sin(edges)) * (np.linspace(-90, 90, 7) >= north_of)
    w = np.repeat(rows, 8)
    return w / w.sum()


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


@pytest.mark.parametrize(("region", "north_of"), [("global", -91), ("northern-hemisphere", 20)])
def test_scores_are_their_formulas(run, region, north_of):
    rec = mock_run.write(run)
    scores, w = score(run), areas(north_of)
    x, y = rec.members[SCORED, :, 2].astype(float), rec.truth[SCORED, 2].astype(float)
    mse = ((x.mean(1) - y) ** 2 @ w).mean()
    variance = (x.var(1, ddof=1) @ w).mean()
    skill = (abs(x - y[:, None]).mean(1) @ w).mean()
    pairs = abs(x[:, :, None] - x[:, None]).sum((1, 2)) @ w
    expected = {
        "rmse": np.sqrt(mse),
        "spread": np.sqrt(variance),
        "spread_skill": np.sqrt(5 / 4 * variance / mse),
        "crps": skill - pairs.mean() / (2 * 4 * 3),
        "crps_plain": skill - pairs.mean() / (2 * 4 * 4),
        "bias": ((x.mean(1) - y) @ w).mean(),
        "mae": (abs(x.mean(1) - y) @ w).mean(),
        "rmse_root_first": np.sqrt((x.mean(1) - y) ** 2 @ w).mean(),
    }
    for metric, number in expected.items():
        value = scores.value(T500, metric, region)
        assert value == pytest.approx(number, rel=1e-5), metric  # members are float32


def test_unweighted_scores_are_plain_means_over_the_grid(run):
    rec = mock_run.write(run)
    scores = score(run, unweighted=True)
    x, y = rec.members[:, :, 2].astype(float), rec.truth[:, 2].astype(float)
    error = np.sqrt(np.mean((x.mean(1) - y) ** 2, axis=-1))  # the root in every cycle, as published
    spread = np.sqrt(np.mean(x.var(1, ddof=1), axis=-1))
    for metric, series in {"rmse": error, "spread": spread}.items():
        np.testing.assert_allclose(scores.series(T500, metric, UNWEIGHTED), series, rtol=1e-5)
        value = scores.value(T500, f"{metric}_root_first", UNWEIGHTED)
        assert value == pytest.approx(series[SCORED].mean(), rel=1e-5)
    crps = abs(x - y[:, None]).mean(1) - abs(x[:, :, None] - x[:, None]).sum((1, 2)) / 24
    value = scores.value(T500, "crps", UNWEIGHTED)
    assert value == pytest.approx(crps[SCORED].mean(), rel=1e-5)


def test_unweighted_scores_stand_beside_the_weighted_ones_and_never_for_them(run):
    mock_run.write(run)
    both, weighted = score(run, unweighted=True), score(run)
    assert both.regions == weighted.regions | {UNWEIGHTED: 56}
    assert {k for k in both.scores if k.region != UNWEIGHTED} == set(weighted.scores)
    assert all(both.scores[key] == weighted.scores[key] for key in weighted.scores)
    assert both.value(T500, "rmse") != both.value(T500, "rmse", UNWEIGHTED)
    assert weighted.value(T500, "rmse", UNWEIGHTED) is None


def test_unweighted_scores_are_made_where_the_file_has_none(run):
    mock_run.write(run)
    files.score_run(run)
    before = (run / files.FILE).read_bytes()
    scores = files.current_scores(run, unweighted=True)
    assert scores.value(T2, "rmse", UNWEIGHTED) == score(run, True).value(T2, "rmse", UNWEIGHTED)
    assert (run / files.FILE).read_bytes() == before
    files.score_run(run, unweighted=True)
    assert files.load_scores(run).regions == scores.regions


def test_a_toy_system_has_no_areas_to_leave_out(run):
    mock_run.write(run, layout=mock_run.SITES)
    with pytest.raises(UserError, match="sites have no areas"):
        score(run, unweighted=True)


def test_series_begin_with_the_initial_state_and_average_to_the_headline(run):
    mock_run.write(run)
    scores = score(run)
    rmse = scores.series(T2, "rmse")
    assert len(rmse) == 10
    headline = scores.value(T2, "rmse")
    assert np.sqrt((rmse[SCORED] ** 2).mean()) == pytest.approx(headline, rel=1e-12)


def test_intervals_hold_the_value_and_narrow_with_more_cycles(run):
    widths = {}
    for cycles in (20, 200):
        mock_run.write(run, rec=mock_run.record(mock_run.SPHERE, cycles=cycles))
        scores = score(run)
        for value, low, high in scores.scores.values():
            assert low <= value <= high
        _, low, high = scores.score(T500, "rmse")
        widths[cycles] = high - low
    assert widths[200] < widths[20] / 2


def test_divergence_is_a_result_and_its_series_stay(run):
    rec = mock_run.record(mock_run.SPHERE)
    for field in (rec.members, rec.mean, rec.spread):
        field[6:] = np.nan
    mock_run.write(run, rec=rec, status="diverged at cycle 6", completed=6)
    scores = score(run)
    assert scores.status == diverged_at(6)
    assert {s.value for s in scores.scores.values()} == {None}
    assert np.isfinite(scores.series(T500, "crps")).tolist() == [True] * 6 + [False]


def test_a_run_that_diverged_during_its_spinup_has_null_scores_too(run):
    mock_run.write(run, status="diverged at cycle 3", completed=3, spinup=6)
    scores = score(run)
    assert {key.metric for key in scores.scores} >= {"rmse", "crps", "spread_skill"}
    assert {s.value for s in scores.scores.values()} == {None}
    assert {row["chi2"] for row in scores.observations.groups} == {None}


def test_a_run_that_is_still_in_its_spinup_has_series_but_no_scores(run):
    mock_run.write(run, status="running", completed=3, spinup=6)
    scores = score(run)
    assert scores.scores == {}
    assert len(scores.series(T500, "rmse")) == 4


def test_points_without_truth_do_not_count_and_the_share_of_the_others_is_stated(run):
    rec = mock_run.record(mock_run.SPHERE)
    sea = slice(0, 28)
    for field in (rec.truth, rec.mean, rec.spread, rec.members):
        field[..., 0, sea] = np.nan
    mock_run.write(run, rec=rec)
    scores, w = score(run), areas()
    error = (rec.mean - rec.truth)[SCORED, 0, 28:]
    mse = (error**2 @ w[28:] / w[28:].sum()).mean()
    assert scores.value(T2, "rmse") == pytest.approx(np.sqrt(mse))
    share = scores.variables["2m_temperature"].valid_fraction
    assert share == pytest.approx(w[28:].sum(), abs=1e-9)
    assert scores.variables["temperature"].valid_fraction == 1
    assert scores.histograms[T2].sum() == pytest.approx(1)


def test_toy_systems_are_scored_over_all_their_variables_as_dapper_does(run):
    rec = mock_run.write(run, mock_run.SITES, mock_run.record(mock_run.SITES))
    scores = score(run)
    error = (rec.mean - rec.truth)[SCORED]
    expected = np.sqrt((error**2).mean((1, 2))).mean()
    assert scores.value(("all", None), "rmse_root_first") == pytest.approx(expected)
    assert scores.spectra == {}
    assert list(scores.variables) == ["x", "y", "z", "all"]


def test_one_member_has_an_error_but_no_spread(run):
    mock_run.write(run, rec=mock_run.record(mock_run.SPHERE, members=1))
    scores = score(run)
    crps, mae = (scores.value(("temperature", 250.0), m) for m in ("crps", "mae"))
    assert crps == pytest.approx(mae, rel=1e-6)
    assert not {key.metric for key in scores.scores} & {"spread", "spread_skill"}


def test_without_members_all_but_crps_and_ranks_are_scored(run):
    rec = mock_run.record(mock_run.SPHERE)
    mock_run.write(run, rec=rec)
    full = score(run)
    mock_run.write(run, rec=rec._replace(members=None))
    lean = score(run)
    assert lean.histograms == {}
    for metric in ("rmse", "spread", "spread_skill", "bias"):
        assert lean.value(T500, metric) == full.value(T500, metric)
    assert "crps" not in {key.metric for key in lean.scores}


def test_innovations_are_compared_with_what_spread_and_error_predict(run):
    rec = mock_run.write(run)
    (row,) = score(run).observations.groups
    d = (rec.y - rec.info["background_obs"])[SCORED]
    total = rec.info["background_var"][SCORED] + mock_run.ERROR_STD**2
    assert row["count"] == d.shape[1]
    assert row["rms"] == pytest.approx(np.sqrt((d**2).mean()))
    assert row["expected_rms"] == pytest.approx(np.sqrt(total.mean()))
    assert row["chi2"] == pytest.approx((d**2 / total).mean())
    expected = np.sqrt((d**2).mean() - mock_run.ERROR_STD**2)
    assert row["background_error"] == pytest.approx(expected)
    left = rec.y - mock_run.observed(rec.mean)
    expected = (d * left[SCORED]).mean() / mock_run.ERROR_STD**2
    assert row["desroziers"] == pytest.approx(expected)


@pytest.mark.parametrize("members", [4, 1])
def test_nothing_is_expected_of_innovations_where_no_spread_is_told(run, members):
    rec = mock_run.record(mock_run.SPHERE, members=members)
    if members > 1:
        del rec.info["background_var"]
    mock_run.write(run, rec=rec)
    fit = score(run).observations
    (row,) = fit.groups
    d = (rec.y - rec.info["background_obs"])[SCORED]
    assert row["rms"] == pytest.approx(np.sqrt((d**2).mean()))
    assert row["expected_rms"] is row["chi2"] is None
    assert np.isnan(fit.chi2).all()


def test_diagnostics_and_cost_are_summed_up(run):
    rec = mock_run.write(run)
    scores = score(run)
    assert scores.ensemble["ess"].mean == pytest.approx(rec.info["ess"][SCORED].mean())
    unique = [len(set(a)) for a in rec.info["ancestor"][1:]]
    np.testing.assert_array_equal(scores.ensemble["unique_ancestors"].values, [np.nan, *unique])
    assert scores.cost["evaluations"] == rec.info["evaluations"][1:].sum()
    assert scores.evaluations_a_cycle == 20
    assert scores.products_a_cycle is None
    assert scores.cost["seconds_a_cycle"] == np.median(rec.info["seconds"][1:])


def test_the_genealogy_is_how_far_back_all_members_have_one_ancestor():
    ancestor = np.array([[-1] * 4, [0, 1, 2, 3], [0, 0, 2, 2], [0, 0, 0, 1], [2, 2, 2, 2]])
    depth = diagnostics._depth(ancestor).values
    assert np.isnan(depth[:3]).all()
    assert depth[3:].tolist() == [2, 1]
    depth = diagnostics._depth(ancestor)
    assert diagnostics._summary(depth, slice(1, 5), censored=True).mean is None  # not 1.5
    assert diagnostics._summary(depth, slice(3, 5), censored=True).mean == 1.5


def test_power_spectrum_sums_to_the_variance_along_latitudes(run):
    rec = mock_run.write(run)
    power = score(run).spectra["temperature", 250.0]["truth"]
    truth = rec.truth[SCORED, 1].astype(float).reshape(7, 7, 8)
    along = (truth.var(-1) @ areas().reshape(7, 8).sum(1)).mean()
    assert power[1:].sum() == pytest.approx(along)


@pytest.mark.parametrize("withheld", [False, True])
def test_a_record_is_read_back_from_its_plain_data(run, withheld):
    mock_run.write(run)
    scores = score(run)
    if withheld:
        groups = ({"stage": "analysis", "count": 3},)
        fit = Departures(groups, {"analysis": np.array([np.nan, 0.5])})
        scores = scores.replace(withheld=fit, pictures={"network": []})
    plain = scores.plain()
    back = Scores.from_plain(json.loads(json.dumps(plain, allow_nan=False)))
    assert json.dumps(back.plain()) == json.dumps(plain)
    assert back.score(T500, "rmse", "tropics") == scores.score(T500, "rmse", "tropics")
    assert back.status == scores.status
    assert back.problem == scores.problem
    assert back.units("temperature") == "K"
    assert set(back.cells) == {T2, T500, ("temperature", 250.0), ("u_component_of_wind", 500.0)}


def test_a_number_that_is_not_there_is_none():
    scores = mock_run.scores({(T2, "rmse"): 1.5})
    assert scores.value(T2, "rmse") == 1.5
    assert scores.value(T2, "rmse", "tropics") is scores.value(T500, "rmse") is None
    assert len(scores.series(T2, "rmse")) == 0
    assert scores.units("salinity") == ""
    assert repr(scores) == "Scores(mock, guess, seed 0: complete, 1 scores)"


def test_scoring_twice_gives_the_same_bytes_and_leaves_nothing_else(run):
    mock_run.write(run)
    files.score_run(run)
    first = {f.name: f.read_bytes() for f in run.glob("scores.*")}
    files.score_run(run / "archive.zarr")
    assert first == {f.name: f.read_bytes() for f in run.glob("scores.*")}
    assert {f.name for f in run.iterdir()} == {"archive.zarr", "scores.json", "scores.parquet"}


def test_the_tidy_table_holds_every_number(run):
    mock_run.write(run)
    scores = files.score_run(run)
    table = pd.read_parquet(run / "scores.parquet")
    assert (table["cycle"] == -1).sum() == len(scores.scores)
    chosen = table.query("variable == 'temperature' and level == 500 and region == 'global'")
    rmse = chosen.query("metric == 'rmse' and cycle >= 0").sort_values("cycle")["value"]
    np.testing.assert_array_equal(rmse, scores.series(T500, "rmse"))


def test_a_table_of_a_run_in_its_spinup_has_series_alone(run):
    mock_run.write(run, status="running", completed=3, spinup=6)
    table = files.tidy(files.score_run(run))
    assert table["cycle"].min() == 0
    assert table["low"].isna().all()


def test_scores_older_than_their_archive_are_made_anew(run):
    mock_run.write(run, completed=5, status="running")
    assert files.ensure_scores(run).completed == 5
    store.Archive(run).update(completed=9)
    store.Archive(run).finish(COMPLETE)
    assert files.current_scores(run).completed == 9
    assert files.load_scores(run).completed == 5  # nothing was written
    assert files.ensure_scores(run).completed == 9
    stamp = (run / "scores.json").stat().st_mtime_ns
    assert files.ensure_scores(run).status == COMPLETE
    assert (run / "scores.json").stat().st_mtime_ns == stamp


def test_what_cannot_be_scored_or_read_is_the_users_to_mend(run):
    with pytest.raises(UserError, match="no run here"):
        score(run)
    mock_run.write(run, completed=0, status="running")
    with pytest.raises(UserError, match="no cycle"):
        score(run)
    with pytest.raises(UserError, match="dabench score"):
        files.load_scores(run)
    (run / "scores.json").write_text("{")
    with pytest.raises(UserError, match="not a file of scores"):
        files.load_scores(run)
    (run / "scores.json").write_text(json.dumps({"schema": 1, "metric_version": "0"}))
    with pytest.raises(UserError, match="score the run again"):
        files.load_scores(run)


def test_nothing_right_of_the_archive_imports_jax():
    code = "import sys, dabench.scores.files; sys.exit('jax' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)
