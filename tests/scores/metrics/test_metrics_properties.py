"""Closed forms, brute force and other people's code for what the golden sets do not reach."""

import numpy as np
import pytest
import xarray as xr
import xskillscore
from scipy import stats

from dabench.scores.metrics import (
    area_weights,
    categorical,
    cell_area,
    deterministic,
    ensemble,
    rank,
    spatial_mean,
)

GRID = {"latitude": np.linspace(-90, 90, 7), "longitude": np.arange(0, 360, 45.0)}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def fields(rng, **sizes) -> xr.DataArray:
    sizes = sizes | {k: len(v) for k, v in GRID.items()}
    return xr.DataArray(rng.normal(size=tuple(sizes.values())), GRID, tuple(sizes))


@pytest.mark.parametrize("members", [1, 2, 3, 9])
def test_metrics_crps_is_its_double_sum(rng, members):
    x, y = fields(rng, member=members), fields(rng)
    pairs = abs(x - x.rename(member="other")).sum(["member", "other"])
    fair = abs(x - y).mean("member") - (pairs / (2 * members * (members - 1) or 1))
    plain = abs(x - y).mean("member") - pairs / (2 * members**2)
    xr.testing.assert_allclose(ensemble.crps(x, y), fair, rtol=1e-12)
    xr.testing.assert_allclose(ensemble.crps(x, y, fair=False), plain, rtol=1e-12)


def test_metrics_crps_is_unbiased_for_gaussian_ensembles(rng):
    """E = 1/sqrt(pi) for members and truth from N(0, 1), whatever the number of members."""
    draws = rng.normal(size=(4, 200_000))
    x = xr.DataArray(draws[:3], dims=("member", "case"))
    score = ensemble.crps(x, xr.DataArray(draws[3], dims="case"))
    error = float(score.std() / np.sqrt(score.size))
    assert abs(float(score.mean()) - 1 / np.sqrt(np.pi)) < 4 * error


def test_metrics_agree_with_xskillscore_where_it_is_right(rng):
    x, y = fields(rng, member=8, time=3), fields(rng, time=3)
    w = area_weights(y, ["global"])
    flat, space = w[0].drop_vars("region"), ["latitude", "longitude"]
    mse = xskillscore.mse(x.mean("member"), y, dim=space, weights=flat)
    ours = spatial_mean(deterministic.squared_error(ensemble.mean(x), y), w)[0]
    np.testing.assert_allclose(ours, mse, rtol=1e-12)
    crps = xskillscore.crps_ensemble(y, x, dim=[])
    np.testing.assert_allclose(ensemble.crps(x, y, fair=False), crps.transpose(*y.dims), rtol=1e-10)
    counts = xskillscore.rank_histogram(y, x, dim=["time", *space])
    np.testing.assert_array_equal(np.bincount(rank.rank(x, y).values.ravel(), minlength=9), counts)


def test_metrics_of_events_are_the_formulas_and_missing_points_stay_missing(rng):
    x, y, (low, high) = fields(rng, member=6), fields(rng), (fields(rng) - 0.5, fields(rng) + 0.5)
    x[2, 1, 3], y[4, 4] = np.nan, np.nan
    p, event = (x > high).mean("member"), y > high
    complete = x.notnull().all("member") & y.notnull()
    plain, fair = ((p - event) ** 2).where(complete), p * (1 - p) / 5
    np.testing.assert_allclose(categorical.brier(x, y, high), plain, rtol=1e-12)
    np.testing.assert_allclose(
        categorical.brier(x, y, high, fair=True),
        plain - fair.where(complete),
        rtol=1e-12,
        atol=1e-15,
    )
    surprise = categorical.ignorance(x, y, high)
    np.testing.assert_allclose(np.exp(-surprise), xr.where(event, p, 1 - p), rtol=1e-12)
    ranked = sum(((x < t).mean("member") - (y < t)) ** 2 for t in (low, high))
    np.testing.assert_allclose(categorical.rps(x, y, [low, high]), ranked, rtol=1e-12)


def test_metrics_debiased_squared_error_does_not_depend_on_the_number_of_members(rng):
    """Members from N(1, 1), truth zero: the mean of infinitely many has the squared error 1."""
    x = xr.DataArray(1 + rng.normal(size=(3, 200_000)), dims=("member", "case"))
    zero = xr.zeros_like(x[0])
    score = ensemble.debiased_squared_error(ensemble.mean(x), ensemble.variance(x), zero, 3)
    assert abs(float(score.mean()) - 1) < 4 * float(score.std()) / np.sqrt(score.size)
    one = ensemble.debiased_squared_error(x[0], 0 * x[0], zero, 1)
    assert np.isnan(one).all()


def test_metrics_energy_score_over_all_pairs_is_brute_force_and_does_not_depend_on_order(rng):
    x, y, w = fields(rng, member=5), fields(rng), area_weights(fields(rng))
    norms = [np.sqrt(spatial_mean((a - b) ** 2, w)) for a in x for b in x]
    expected = sum(norms) / (5 * 4)
    spread = ensemble.energy_score_spread(x, w, pairs="all")
    np.testing.assert_allclose(spread, expected, rtol=1e-12)
    shuffled = x[[3, 0, 4, 1, 2]]
    one, two = (ensemble.energy_score(e, y, w, pairs="all") for e in (x, shuffled))
    np.testing.assert_allclose(one, two, rtol=1e-12)
    adjacent = [ensemble.energy_score_spread(e, w) for e in (x, shuffled)]
    assert not np.allclose(*adjacent)


def test_metrics_weights_are_areas_of_a_sphere():
    """A row's share is its band's area; cos(latitude) would lose the poles."""
    area = cell_area(np.linspace(-90, 90, 19))
    band = 2 * np.pi * (np.sin(np.deg2rad(35)) - np.sin(np.deg2rad(25)))
    assert area[12] / area.sum() == pytest.approx(band / (4 * np.pi))
    assert area[0] > 0
    with pytest.raises(ValueError, match="increase"):
        cell_area(np.array([10.0, 0.0]))


def test_metrics_regions_share_the_rows_on_their_border_and_cross_greenwich(rng):
    y = xr.DataArray(
        np.zeros((19, 36)),
        {"latitude": np.linspace(-90, 90, 19), "longitude": np.arange(0, 360, 10.0)},
        ("latitude", "longitude"),
    )
    inside = area_weights(y) > 0
    rows = inside.any("longitude")
    assert rows.sel(region="tropics", latitude=20).item()
    assert rows.sel(region="extra-tropics", latitude=20).item()
    assert not rows.sel(region="extra-tropics", latitude=10).item()
    columns = inside.sel(region="europe").any("latitude")
    assert columns.longitude[columns].values.tolist() == [0, 10, 20, 30, 40, 350]


def test_metrics_land_is_a_fraction_not_a_threshold(rng):
    y, land = fields(rng), abs(fields(rng)) % 1
    w = area_weights(y, ["global_land"], land)
    area = cell_area(GRID["latitude"])[:, None]
    expected = (y.values * land.values * area).sum() / (land.values * area).sum()
    np.testing.assert_allclose(spatial_mean(y, w), [expected], rtol=1e-12)
    with pytest.raises(ValueError, match="land-sea mask"):
        area_weights(y, ["tropics_land"])
    with pytest.raises(ValueError, match="atlantis"):
        area_weights(y, ["atlantis"])


def test_metrics_missing_points_count_only_where_they_have_weight(rng):
    y = fields(rng)
    y.loc[{"latitude": 60.0, "longitude": 45.0}] = np.nan
    w = area_weights(y, ["global", "tropics", "arctic"])
    strict, skipping = spatial_mean(y, w), spatial_mean(y, w, skipna=True)
    assert np.isnan(strict).values.tolist() == [True, False, True]
    assert np.isfinite(skipping).all()
    ones = xr.ones_like(y).where(y.notnull())
    np.testing.assert_allclose(spatial_mean(ones, w, skipna=True), 1, rtol=1e-14)
    everywhere = spatial_mean(xr.full_like(y, np.nan), w, skipna=True)
    assert np.isnan(everywhere).all()


def test_metrics_of_sites_are_plain_means(rng):
    x = xr.DataArray(rng.normal(size=(3, 40)), dims=("cycle", "site"))
    np.testing.assert_allclose(spatial_mean(x, area_weights(x))[0], x.mean("site"), rtol=1e-12)


def test_metrics_keep_their_digits_on_large_float32_numbers(rng):
    """Geopotential near 5e4 with a spread of 1: float32 sums would lose four digits of it."""
    x = fields(rng, member=64)
    large = (x + 5e4).astype("float32")
    exact = large.astype("float64").var("member", ddof=1)
    np.testing.assert_allclose(ensemble.variance(large), exact, rtol=1e-9)
    y = large[0]
    np.testing.assert_allclose(
        ensemble.crps(large, y), ensemble.crps(large - 5e4, y - 5e4), atol=1e-9
    )


def test_metrics_ranks_of_ties_are_uniform(rng):
    x = xr.zeros_like(fields(rng, member=3, time=500))
    ranks = rank.rank(x, x[0], rng=rng)
    share = np.bincount(ranks.values.ravel(), minlength=4) / ranks.size
    np.testing.assert_allclose(share, 0.25, atol=4 * np.sqrt(0.25 * 0.75 / ranks.size))
    assert (rank.rank(x, x[0]) == 0).all()


def test_metrics_pit_is_uniform_for_a_reliable_ensemble_of_any_size(rng):
    x, y = fields(rng, member=6, time=1000), fields(rng, time=1000)
    pit = rank.pit(rank.rank(x, y), 6, rng)
    assert stats.kstest(pit.values.ravel(), "uniform").pvalue > 1e-4


def test_metrics_spread_skill_is_one_for_a_reliable_ensemble(rng):
    x, y = rng.normal(size=(2, 5, 100_000)), rng.normal(size=100_000)
    x = xr.DataArray(x[0], dims=("member", "case"))
    variance = ensemble.variance(x).mean()
    mse = deterministic.squared_error(ensemble.mean(x), xr.DataArray(y, dims="case")).mean()
    assert float(ensemble.spread_skill_ratio(variance, mse, 5)) == pytest.approx(1, abs=0.01)


def test_metrics_acc_is_one_for_the_truth_and_minus_one_for_its_mirror(rng):
    y, climate = fields(rng), fields(rng)
    w = area_weights(y, ["global", "tropics"])
    np.testing.assert_allclose(deterministic.acc(y, y, climate, w), 1)
    np.testing.assert_allclose(deterministic.acc(2 * climate - y, y, climate, w), -1)
