"""Observations that no method is given: methods do not notice them, and are held to them."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from linear import matrices
from scipy.linalg import solve_discrete_are
from toy import same

from dabench.filters.base import Problem
from dabench.observe.network import build, build_withheld
from dabench.runs import cycle
from dabench.runs.archive import read
from dabench.runs.twin import Twin
from dabench.scenario import plugins, settings
from dabench.scenario.scenario import Group
from dabench.scores import departures
from dabench.systems.toys.linear_gaussian import linear_gaussian

SIZE, STD = 8, 0.5
SYSTEM = linear_gaussian(size=SIZE)
ATTRS = {"status": "running", "completed": -1, "members": 12, "spinup": 20}
METHODS = {
    "guided": {},
    "letkf": {},
    "enkf": {"rtps": 0.5},
    "bootstrap": {"jitter": 1.0},
    "kalman": {},
}


def twin(group: Group, cycles: int = 5) -> Twin:
    return Twin(
        SYSTEM,
        build([group], SYSTEM.layout),
        jnp.asarray(SYSTEM.truth(1, cycles)),
        1,
        initial_kind="climatological",
        withheld=build_withheld([group], SYSTEM.layout),
    )


def go(folder, t: Twin, name: str = "kalman", members: int = 12, **options) -> xr.DataTree:
    problem = Problem(t.system.model, t.network, jnp.asarray(t.system.climate))
    make = plugins.factory("filters", name)
    checked = settings.schema(make).model_validate(METHODS[name])
    method = make(problem, **settings.arguments(checked))
    cycle.run(method, t, members, folder, ATTRS | {"members": members}, **options)
    return read.open_run(folder)


def without(run: xr.DataTree) -> xr.DataTree:
    return xr.DataTree.from_dict(
        {n: g.to_dataset() for n, g in run.children.items() if n != "withheld"}
    )


@pytest.fixture(scope="module")
def half() -> Group:
    return Group(error_std=STD, withhold={"share": 0.5})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in ("guided", "letkf") else pytest.mark.slow) for n in METHODS],
)
def test_a_method_gives_the_same_bits_as_if_the_stations_had_never_been(name, half, tmp_path):
    sites = tuple(int(s) for s in build([half], SYSTEM.layout).table.site)
    never = Group.model_validate({"error_std": STD, "locations": {"points": sites}})
    without_half = go(tmp_path / "kept", twin(half), name)
    bare = go(tmp_path / "bare", twin(never), name)
    assert set(without_half.children) - set(bare.children) == {"withheld"}
    assert same(without(without_half), bare)
    fit: Any = departures.withheld(without_half, slice(1, None))
    stages = ["analysis"] if name == "guided" else ["background", "analysis"]
    assert [row["stage"] for row in fit.groups] == stages


def test_what_a_run_says_of_them_is_what_its_members_say(half, tmp_path):
    t = twin(half)
    run = go(tmp_path, t, "enkf")
    group, site = run["withheld"], run["withheld"]["site"].values
    members = run["members/state"].values[:, :, site]
    np.testing.assert_allclose(group["analysis_obs"], members.mean(1), rtol=1e-13)
    np.testing.assert_allclose(group["analysis_var"], members.var(1, ddof=1), rtol=1e-12)
    used = run["observations/site"].values
    analysis = run["members/state"].values[:, :, used].mean(1)
    np.testing.assert_allclose(run["diagnostics/analysis_obs"][1:], analysis[1:], rtol=1e-13)
    whole = twin(Group(error_std=STD))
    for k in range(1, 6):
        np.testing.assert_array_equal(group["y"][k], whole.observation(k).y[site])
    assert np.isnan([group["y"][0], group["background_obs"][0]]).all()

    d = group["y"].values[2:] - members.mean(1)[2:]
    fit: Any = departures.withheld(run, slice(2, None))
    (row,) = [r for r in fit.groups if r["stage"] == "analysis"]
    variance = members.var(1, ddof=1)[2:] + STD**2
    assert row["count"] == 4
    assert row["bias"] == pytest.approx(d.mean())
    assert row["rms"] == pytest.approx(np.sqrt((d**2).mean()))
    assert row["expected_rms"] == pytest.approx(np.sqrt(variance.mean()))
    assert row["error"] == pytest.approx(np.sqrt(max((d**2).mean() - STD**2, 0)))
    assert row["chi2"] == pytest.approx((d**2 / variance).mean())
    np.testing.assert_allclose(fit.chi2["analysis"][2:], (d**2 / variance).mean(1))


def test_gaps_are_archived_as_nan_and_left_out_of_the_fit(tmp_path):
    """The second cycle has no observation at all; half of the others are missing."""
    group = {"error_std": STD, "withhold": {"share": 0.5}, "availability": {"share": 0.5}}
    t = twin(Group.model_validate(group))
    present = {k: t.network.present(k) if k != 2 else np.zeros(4, bool) for k in range(1, 6)}  # pyright: ignore[reportOptionalCall]
    t = replace(t, network=replace(t.network, present=present.__getitem__))
    run = go(tmp_path, t)
    y, predicted = run["observations"]["y"].values, run["diagnostics"]
    np.testing.assert_array_equal(~np.isnan(y[1:]), list(present.values()))
    d, var = y - predicted["background_obs"].values, predicted["background_var"].values + STD**2
    fit: Any = departures.observation_space(run, slice(1, None))
    (row,) = fit.groups
    assert row["rms"] == pytest.approx(np.sqrt(np.nanmean(d**2)))
    assert row["bias"] == pytest.approx(np.nanmean(d))
    assert row["expected_rms"] == pytest.approx(np.sqrt(var[~np.isnan(y)].mean()))
    assert row["chi2"] == pytest.approx(np.nanmean(d**2 / var))
    expected = [np.nanmean(r) if np.isfinite(r).any() else np.nan for r in d[1:] ** 2 / var[1:]]
    np.testing.assert_allclose(fit.chi2[1:], expected)
    assert np.isnan(fit.chi2[2])
    assert np.isfinite(run["mean/state"]).all()


def test_they_fit_the_exact_filter_as_well_as_it_says(half, tmp_path):
    """Against the steady state of the Riccati equation; standard errors from batches of cycles."""
    cycles, spinup, batches = 820, 20, 20
    t = twin(half, cycles)
    run = go(tmp_path, t, members=200)
    scored = slice(spinup + 1, None)
    fit: Any = departures.withheld(run, scored)

    A, Q, _ = matrices(SYSTEM)
    H_given, H_withheld = (np.eye(SIZE)[np.asarray(n.table.site)] for n in (t.network, t.withheld))
    R = STD**2 * np.eye(len(H_given))
    P = solve_discrete_are(A.T, H_given.T, Q, R)
    after = P - P @ H_given.T @ np.linalg.solve(H_given @ P @ H_given.T + R, H_given @ P)
    for row, cov in zip(fit.groups, (P, after), strict=True):
        series = np.array(fit.chi2[row["stage"]])[scored].reshape(batches, -1).mean(1)
        error = series.std(ddof=1) / np.sqrt(batches)
        assert error < 0.05
        assert abs(row["chi2"] - 1) < 4 * error + 1 / 200  # the mean of 200 draws is not exact
        expected = np.sqrt(np.diag(H_withheld @ cov @ H_withheld.T).mean() + STD**2)
        draws = np.sqrt(2 / 199 / (cycles - spinup))  # of a variance, were its draws one station's
        assert row["expected_rms"] == pytest.approx(expected, rel=4 * draws)


def test_without_them_nothing_is_said_of_them(tmp_path):
    assert departures.withheld(go(tmp_path, twin(Group(error_std=STD))), slice(1, None)) is None
