"""Closed forms, brute force and other people's code for what the golden sets do not reach."""

import numpy as np
import pytest
import xarray as xr
import xskillscore
from scipy import integrate, stats

from dabench.scores.metrics import (
    area_weights,
    categorical,
    cell_area,
    deterministic,
    ensemble,
    gaussian,
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
    ours = deterministic.mse(ensemble.mean(x), y, w)[0]
    np.testing.assert_allclose(ours, mse, rtol=1e-12)
    crps = xskillscore.crps_ensemble(y, x, dim=[])
    np.testing.assert_allclose(ensemble.crps(x, y, fair=False), crps.transpose(*y.dims), rtol=1e-10)
    counts = xskillscore.rank_histogram(y, x, dim=["time", *space])
    ours = rank.rank_histogram(rank.rank(x, y), 8, y.dims)
    np.testing.assert_allclose(ours, counts / y.size, rtol=1e-12)
    std = abs(x[0]) + 0.1
    np.testing.assert_allclose(
        gaussian.crps(x[1], std, y),
        xskillscore.crps_gaussian(y, x[1], std, dim=[]).transpose(*y.dims),
        rtol=1e-10,
    )


@pytest.mark.parametrize(("mean", "std", "truth"), [(0, 1, 0.3), (2, 0.1, -1), (-1, 3, 4)])
def test_metrics_gaussian_crps_is_the_integral_of_squared_differences(mean, std, truth):
    below = integrate.quad(lambda t: stats.norm.cdf(t, mean, std) ** 2, -40, truth)[0]
    above = integrate.quad(lambda t: stats.norm.sf(t, mean, std) ** 2, truth, 40, points=[mean])[0]
    score = gaussian.crps(*(xr.DataArray(float(v)) for v in (mean, std, truth)))
    assert float(score) == pytest.approx(below + above, rel=1e-6)


def test_metrics_of_a_gaussian_are_the_limit_of_a_large_ensemble(rng):
    mean, std = fields(rng), abs(fields(rng)) + 0.5
    x, y, t = mean + std * fields(rng, member=20_000), fields(rng), [fields(rng), fields(rng)]
    error = 4 / np.sqrt(20_000)
    pairs = [
        (ensemble.variance(x) / std**2, gaussian.variance(std) / std**2),
        (categorical.brier(x, y, t[0]), gaussian.brier(mean, std, y, t[0])),
        (categorical.rps(x, y, t), gaussian.rps(mean, std, y, t)),
        (
            np.exp(-categorical.ignorance(x, y, t[0])),
            np.exp(-gaussian.ignorance(mean, std, y, t[0])),
        ),
    ]
    for of_members, of_gaussian in pairs:
        np.testing.assert_allclose(of_members, of_gaussian, atol=error)


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
    share = rank.rank_histogram(ranks, 3, ranks.dims)
    np.testing.assert_allclose(share, 0.25, atol=4 * np.sqrt(0.25 * 0.75 / ranks.size))
    assert (rank.rank(x, x[0]) == 0).all()


def test_metrics_pit_is_uniform_for_a_reliable_ensemble_of_any_size(rng):
    x, y = fields(rng, member=6, time=1000), fields(rng, time=1000)
    pit = rank.pit(rank.rank(x, y), 6, rng)
    assert stats.kstest(pit.values.ravel(), "uniform").pvalue > 1e-4


def test_metrics_rank_bins_merge_and_refuse_what_does_not_divide(rng):
    ranks = rank.rank(fields(rng, member=5), fields(rng))
    fine = rank.rank_histogram(ranks, 5, ranks.dims)
    coarse = rank.rank_histogram(ranks, 5, ranks.dims, bins=3)
    np.testing.assert_allclose(coarse, fine.values.reshape(3, 2).sum(1), rtol=1e-12)
    with pytest.raises(ValueError, match="divide"):
        rank.rank_histogram(ranks, 5, ranks.dims, bins=4)


@pytest.mark.parametrize(("bins", "wanted"), [(5, [1 / 5, 3 / 5, 1]), (4, [0.5, 1])])
def test_metrics_central_reliability_grows_from_the_middle(bins, wanted):
    flat = xr.DataArray(np.full(bins, 1 / bins), dims="bins")
    captured = rank.central_reliability(flat)
    np.testing.assert_allclose(captured, wanted)
    np.testing.assert_allclose(captured.desired_prob, wanted)


def test_metrics_spread_skill_is_one_for_a_reliable_ensemble(rng):
    x, y = rng.normal(size=(2, 5, 100_000)), rng.normal(size=100_000)
    x = xr.DataArray(x[0], dims=("member", "case"))
    variance = ensemble.variance(x).mean()
    mse = ensemble.mean_squared_error(x, xr.DataArray(y, dims="case")).mean()
    assert float(ensemble.spread_skill_ratio(variance, mse, 5)) == pytest.approx(1, abs=0.01)


def test_metrics_acc_is_one_for_the_truth_and_minus_one_for_its_mirror(rng):
    y, climate = fields(rng), fields(rng)
    w = area_weights(y, ["global", "tropics"])
    np.testing.assert_allclose(deterministic.acc(y, y, climate, w), 1)
    np.testing.assert_allclose(deterministic.acc(2 * climate - y, y, climate, w), -1)


def test_metrics_seeps_is_zero_for_the_truth_and_nan_where_rain_is_certain(rng):
    rain = abs(fields(rng, time=4)) * 1e-3
    heavy = xr.full_like(rain, 1e-3)
    dry = xr.full_like(rain[:2].rename(time="dayofyear"), 0.5)
    dry[{"latitude": 0}] = 0.05
    score = categorical.seeps(rain, rain, heavy, dry)
    assert np.isnan(score.isel(latitude=0)).all()
    assert (score.isel(latitude=slice(1, None)) == 0).all()
    never = categorical.seeps(xr.zeros_like(rain), xr.full_like(rain, 2e-3), heavy, dry)
    np.testing.assert_allclose(never.isel(latitude=slice(1, None)), 0.5 * 4 / (1 - 0.5))
