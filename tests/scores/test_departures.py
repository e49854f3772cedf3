"""Departures of archives made by hand: a Kalman filter in NumPy, and places with known values."""

from typing import Any

import mock_run
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dabench.core.layout import Channel, Layout
from dabench.core.quality import BACKGROUND, BUDDY
from dabench.runs.archive.layout import Record, label
from dabench.scores import departures
from dabench.scores.interpolated import at_places
from dabench.scores.score import score

SIZE, CYCLES, STD = 4, 2000, 0.7
LINE = Layout((Channel("state"),), {"site": np.arange(SIZE)}, dtype="float64")


def kalman_run(availability: float) -> xr.DataTree:
    """A scalar filter at every site of independent AR(1) processes, each with its own variance."""
    rng = np.random.default_rng(5)
    a, noise = 0.9, np.linspace(0.3, 1.2, SIZE)
    variance, x, truth = noise**2 / (1 - a**2), np.zeros(SIZE), np.zeros(SIZE)
    columns: dict[str, list[Any]] = {n: [] for n in ("truth", "mean", "std", "y", "hx", "var")}
    for _ in range(CYCLES + 1):
        truth = a * truth + noise * rng.normal(size=SIZE)
        before, spread = a * x, a**2 * variance + noise**2
        y = truth + STD * rng.normal(size=SIZE)
        y = np.where(rng.uniform(size=SIZE) < availability, y, np.nan)
        gain = np.where(np.isnan(y), 0.0, spread / (spread + STD**2))
        x = before + gain * np.nan_to_num(y - before)
        variance = (1 - gain) * spread
        for name, value in zip(columns, (truth, x, variance**0.5, y, before, spread), strict=True):
            columns[name].append(value)
    fields = {name: np.array(values) for name, values in columns.items()}
    fields["y"][0] = np.nan
    info = {"background_obs": fields["hx"], "background_var": fields["var"]}
    cycle = np.arange(CYCLES + 1)
    truth, mean, std = (fields[name][:, None] for name in ("truth", "mean", "std"))
    record = Record(cycle, cycle.astype(float), truth, mean, std, None, fields["y"], info)
    table = pd.DataFrame({"group": "all", "variable": "state", "level": np.nan, "site": cycle[:4]})
    groups = label(LINE, table.assign(units="1", error_std=STD), record)
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"members": 2}), **groups})


@pytest.mark.parametrize("availability", [1.0, 0.6])
def test_consistency_ratios_of_an_exact_filter_are_one(availability):
    """d is white in time and independent between sites, with variance S = spread + R.

    With gain K, d a = (1 - K) d^2 and d (d - a) = K d^2 have means R and spread. A sum of c d^2 / S
    with weights c has a relative variance of 2 sum c^2 / (sum c)^2.
    """
    tree = kalman_run(availability)
    fit: Any = departures.observation_space(tree, slice(21, None))
    (row,) = fit.groups
    y = tree["observations"]["y"].values[21:]
    used = np.isfinite(y)
    assert row["used"] == used.sum()
    assert row["missing"] == (~used).sum()
    assert (row["missing"] > 0) == (availability < 1)
    spread = tree["diagnostics"]["background_var"].values[21:][used]

    def bound(c):
        return 4 * np.sqrt(2 * (c**2).sum()) / c.sum()

    equal, total = bound(np.ones(len(spread))), bound(spread + STD**2)
    assert max(equal, total, bound(spread)) < 0.12
    assert row["chi2"] == pytest.approx(1, abs=equal)
    assert row["rms"] ** 2 == pytest.approx(row["expected_rms"] ** 2, rel=total)
    assert row["desroziers"] == pytest.approx(1, abs=equal)
    assert row["desroziers_background"] == pytest.approx(1, abs=bound(spread))
    assert row["analysis_rms"] < STD < row["rms"]


def test_a_wrong_observation_error_shows_in_its_ratio():
    """An assumed R of a quarter makes the ratio about four where the gain stays."""
    tree = kalman_run(1.0)
    observed = tree["observations"].to_dataset()
    halved = {"error_std": ("observation", np.full(SIZE, STD / 2))}
    tree["observations"] = xr.DataTree(observed.assign_coords(halved))
    fit: Any = departures.observation_space(tree, slice(21, None))
    assert fit.groups[0]["desroziers"] == pytest.approx(4, rel=0.2)
    assert fit.groups[0]["desroziers_background"] == pytest.approx(1, rel=0.1)


def test_values_are_counted_by_what_became_of_them_and_rejected_ones_leave_the_fit(tmp_path):
    rec = mock_run.record(mock_run.SPHERE)
    rec.y[4, 0], rec.y[5] = np.nan, np.nan
    rejected = np.zeros(rec.y.shape, np.uint8)
    rejected[6, 1], rejected[7, 1], rejected[7, 2] = BACKGROUND, BUDDY, BUDDY
    rec.y[rejected > 0] += 1000.0
    analysis = rec.y - 0.25
    rec.info.update(rejected=rejected, analysis_obs=analysis)
    mock_run.write(tmp_path / "run", rec=rec)
    fit: Any = score(tmp_path / "run").observations
    (row,) = fit.groups
    n = rec.y.shape[1]
    counts = {name: row[name] for name in ("used", "missing", "background_check", "buddy_check")}
    expected = {"used": 6 * n - 4, "missing": 1 + n, "background_check": 1, "buddy_check": 2}
    assert counts == expected
    assert row["rms"] < 3
    assert row["analysis_bias"] == pytest.approx(0.25)
    assert row["analysis_rms"] == pytest.approx(0.25)
    (cycles,) = fit.cycles
    np.testing.assert_array_equal(cycles["used"][1:], [n, n, n, n - 1, 0, n - 1, n - 2, n, n])
    np.testing.assert_array_equal(cycles["buddy_check"][1:], [0, 0, 0, 0, 0, 0, 2, 0, 0])
    np.testing.assert_allclose(cycles["analysis_rms"][6], 0.25 / mock_run.ERROR_STD)
    assert np.isnan([cycles["used"][0], cycles["background_rms"][5]]).all()
    assert fit.chi2[6:8].max() < 100


def test_regions_hold_what_lies_in_them(tmp_path):
    rec = mock_run.write(tmp_path / "run")
    fit: Any = score(tmp_path / "run").observations
    latitude = mock_run.network(mock_run.SPHERE)["latitude"].to_numpy()
    there = {
        "tropics": abs(latitude) <= 20,
        "northern-hemisphere": latitude >= 20,
        "southern-hemisphere": latitude <= -20,
    }
    d = (rec.y - rec.info["background_obs"])[3:10]
    assert [row["region"] for row in fit.regions] == list(there)
    for row, inside in zip(fit.regions, there.values(), strict=True):
        assert row["count"] == inside.sum()
        assert row["rms"] == pytest.approx(np.sqrt((d[:, inside] ** 2).mean()))


def test_a_field_is_interpolated_to_places_between_its_points():
    """A plane is what bilinear interpolation leaves as it is; longitudes go round."""
    latitude, longitude = np.linspace(60, -60, 7), np.arange(0, 360, 30.0)
    plane = 2 * latitude[:, None] + 10 * (longitude == 0)
    fields = xr.Dataset(
        {"t": (("cycle", "latitude", "longitude"), plane[None])},
        {"latitude": latitude, "longitude": longitude},
    )
    places = {"latitude": [33.0, -60.0, 70.0, 0.0], "longitude": [345.0, 15.0, 90.0, 90.0]}
    observed = xr.Dataset(
        {"y": (("cycle", "observation"), np.zeros((1, 4)))},
        {name: ("observation", values) for name, values in places.items()}
        | {
            "variable": ("observation", ["t"] * 4),
            "level": ("observation", [np.nan] * 4),
            "group": ("observation", ["points"] * 3 + ["areas"]),
        },
    )
    groups = [{"name": "points", "locations": {"every": 1}}]
    groups.append({"name": "areas", "locations": {"blocks": 3}})
    values = at_places(fields, observed, {"observations": groups})
    np.testing.assert_allclose(values, [[66 + 5, -120 + 5, np.nan, np.nan]])


def test_departures_of_directions_go_the_shorter_way_round():
    y = np.array([[np.nan, np.nan], [350.0, 350.0], [10.0, 10.0], [100.0, 100.0]])
    wind = np.array([[0.0, 0.0], [10.0, 10.0], [350.0, 350.0], [90.0, 90.0]])
    info = {"background_obs": wind, "background_var": np.ones((4, 2)), "analysis_obs": wind}
    cycle, zeros = np.arange(4), np.zeros((4, 1, SIZE))
    table = pd.DataFrame({"group": "all", "level": np.nan, "site": [0, 1], "error_std": STD})
    table = table.assign(variable=["wind_direction", "state"], units="degree")
    record = Record(cycle, cycle.astype(float), zeros, zeros, zeros, None, y, info)
    groups = label(LINE, table, record)
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"members": 2}), **groups})
    fit: Any = departures.observation_space(tree, slice(1, None))
    angle, number = fit.groups
    assert angle["bias"] == pytest.approx((-20 + 20 + 10) / 3)
    assert angle["rms"] == angle["analysis_rms"] == pytest.approx(np.sqrt(300))
    assert number["bias"] == pytest.approx((340 - 340 + 10) / 3)
