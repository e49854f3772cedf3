"""The LETKF against DAPPER's arrays, the ETKF at each point, and a loop over points in NumPy."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from twins import SPHERE, Still, channels, distances, free, sites, sphere, stations

from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
from dabench.filters.letkf import etkf_update, letkf
from dabench.filters.local import combine, nodes, plan
from dabench.filters.local.inflation import Consistency
from dabench.filters.local.plan import make_plan
from dabench.filters.local.square_root import SquareRoot
from dabench.filters.local.taper import gaspari_cohn, half_width, localisation
from dabench.observe.network import Observation
from dabench.systems.toys.lorenz96 import lorenz96

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "l96_deterministic_golden.npz")
RADIUS_4 = 1.82 * 4 / np.sqrt(10 / 3)
BATCHES = {"length_scale_sites": RADIUS_4, "truncation": 1e-3, "inflation": 1.04}
UPDATE = jax.jit(etkf_update)
LINE = Layout((Channel("x"),), {"site": np.arange(5)}, dtype="float64")


@pytest.mark.golden
@pytest.mark.compiled
@pytest.mark.parametrize("route", ["pairs", "rows"])
@pytest.mark.parametrize(
    ("name", "members", "settings"),
    [
        ("etkf_N24_infl1.02_analysis", "E0_N24", {"inflation": 1.02}),
        ("letkf_N10_infl1.04_r4_batch1", "E0_N10", {"batch": 1, **BATCHES}),
        ("letkf_N10_infl1.04_r4_batch2", "E0_N10", {"batch": 2, **BATCHES}),
    ],
)
def test_fifty_cycles_are_dappers(name, members, settings, route):
    system = lorenz96()
    problem = Problem(system.model, sites(40), system.climate)
    method = letkf(problem, rtps=0.0, route=route, **settings)

    def cycle(carry, y):
        carry, _ = method.step(jax.random.key(0), carry, Observation(jnp.asarray(0.0), y))
        return carry, carry.x

    obs = GOLDEN["obs"][int(GOLDEN["k0"]) :][:50]
    x = np.asarray(jax.lax.scan(cycle, method.init(jnp.asarray(GOLDEN[members])), obs)[1])
    first = "_ens_first5" if name.startswith("etkf") else "_first5"
    np.testing.assert_allclose(x[:5], GOLDEN[name + first], atol=1e-10)
    np.testing.assert_allclose(x.mean(1), GOLDEN[name + "_mean"], atol=1e-10)
    if name + "_std" in GOLDEN:
        np.testing.assert_allclose(x.std(1, ddof=1), GOLDEN[name + "_std"], atol=1e-10)


@pytest.mark.parametrize("members", [3, 10, 40])
def test_etkf_is_the_kalman_update_of_the_sample_moments(members):
    rng = np.random.default_rng(members)
    x, y, var = rng.normal(size=(members, 5)), rng.normal(size=3), rng.uniform(0.2, 2, 3)
    analysis = UPDATE(*map(jnp.asarray, (x, x[:, ::2], y, 1 / var)))
    H, B = np.eye(5)[::2], np.cov(x, rowvar=False)
    K = B @ H.T @ np.linalg.inv(H @ B @ H.T + np.diag(var))
    mean = x.mean(0) + K @ (y - H @ x.mean(0))
    # All matrices have a condition number below 100, which leaves 13 of 16 digits.
    np.testing.assert_allclose(analysis.mean(0), mean, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(np.cov(analysis, rowvar=False), (np.eye(5) - K @ H) @ B, atol=1e-12)


def rounding(x, hx, y, precision):
    """Bound of the rounding errors of A T in float64, for T = C⁻¹ Sᵀd 1ᵀ + C^-½ - I, C = I + SᵀS.

    Sums of p products and eigenvectors of k x k matrices have relative errors of (p + k) eps or
    less in norm; 8 of them allow for two algorithms, with a taper that is rounded twice. So
    |δG| <= c |S|², |δ(Sᵀd)| <= c |S| |d|. Neither C⁻¹ nor the derivative of C^-½ exceeds 1.
    """
    c = 8 * (len(precision) + len(x)) * np.finfo(float).eps
    S = np.linalg.norm((hx - hx.mean(0)) * np.sqrt(precision / (len(x) - 1)))
    d = np.linalg.norm((y - hx.mean(0)) * np.sqrt(precision / (len(x) - 1)))
    A = np.linalg.norm(x, axis=0).max()  # the members themselves are rounded too
    return c * A * (S**2 * (S * d + 1) + 2 * S * d + 1)


@pytest.mark.parametrize("route", ["pairs", "rows"])
@pytest.mark.parametrize("members", [3, 40])
def test_without_taper_it_is_the_etkf(members, route):
    rng = np.random.default_rng(members)
    x, y = rng.normal(size=(members, 5)), rng.normal(size=3)
    method = letkf(Problem(Still(LINE), sites(5, 2, 0.7), x), rtps=0.0, route=route)
    carry = method.init(jnp.asarray(x))
    obs = Observation(jnp.asarray(0.0), jnp.asarray(y))
    carry, info = jax.jit(method.step)(jax.random.key(0), carry, obs)
    local = x, x[:, ::2], y, np.full(3, 1 / 0.7**2)
    expected = UPDATE(*map(jnp.asarray, local))
    np.testing.assert_allclose(carry.x, expected, rtol=0, atol=rounding(*local))
    np.testing.assert_allclose(info["background_obs"], x.mean(0)[::2], rtol=1e-13)
    np.testing.assert_allclose(info["background_var"], x.var(0, ddof=1)[::2], rtol=1e-13)


def test_assumed_error_variances_and_relaxed_perturbations_are_those_of_the_settings():
    """R times 4, and anomalies half-way back to the prior's."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 5)), rng.normal(size=3)
    problem = Problem(Still(LINE), sites(5, 2, 0.7), x)
    method = letkf(problem, rtps=0.0, rtpp=0.5, r_inflation=4.0)
    obs = Observation(jnp.asarray(0.0), jnp.asarray(y))
    carry, _ = jax.jit(method.step)(jax.random.key(0), method.init(jnp.asarray(x)), obs)
    local = x, x[:, ::2], y, np.full(3, 1 / (4 * 0.7**2))
    analysis = np.asarray(UPDATE(*map(jnp.asarray, local)))
    relaxed = analysis + 0.5 * ((x - x.mean(0)) - (analysis - analysis.mean(0)))
    np.testing.assert_allclose(carry.x, relaxed, rtol=0, atol=rounding(*local))


@pytest.mark.parametrize("route", ["pairs", "rows", "levels"])
def test_at_every_point_it_is_the_etkf_with_tapered_precision(route):
    """At both poles and between them, at each level: R⁻¹ times the tapers of the plan."""
    problem, x, obs = sphere()
    layout, network = problem.model.layout, problem.network
    method = letkf(problem, length_scale_km=1500.0, vertical_scale=0.5, rtps=0.0, route=route)
    carry, _ = jax.jit(method.step)(jax.random.key(0), method.init(x), obs)
    plan = make_plan(layout, network.table, localisation(layout, 1500.0, None, 0.5))
    hx = np.asarray(jax.vmap(network.h)(x))
    prior, analysis = (np.asarray(layout.unflatten(v)) for v in (x, carry.x))
    for point in (0, 17, 30, 41, 83):
        across = plan.taper.horizontal(plan.position[[point]], plan.location)[0]
        for level in range(len(plan.levels)):
            rho = np.asarray(across[plan.obs_location] * plan.vertical[level, plan.obs_level])
            here = (slice(None), slice(None), plan.channel_level == level, point)
            local = prior[here].reshape(len(x), -1), hx, np.asarray(obs.y), rho / network.var
            expected = UPDATE(*map(jnp.asarray, local))
            error = np.abs(analysis[here].reshape(len(x), -1) - expected)
            assert error.max() < rounding(*local) < 1e-9
    assert abs(carry.x - x).max() > 0.3


def test_the_square_root_maps_ones_to_ones():
    S = np.random.default_rng(0).normal(size=(4, 2, 9, 6))
    S = S - S.mean(-1, keepdims=True)
    inflation, none = np.ones((4, 2)), Consistency(*(jnp.asarray(np.zeros((4, 2))),) * 3)
    A = np.broadcast_to(np.eye(6), (4, 2, 6, 6))
    from_gram = jax.jit(SquareRoot(adaptive=False).from_gram)
    T, _ = from_gram(A, np.swapaxes(S, -1, -2) @ S, np.zeros((4, 2, 6, 1)), inflation, none)
    np.testing.assert_allclose(T.sum(-1), 0, atol=1e-13)
    W = np.asarray(T) + np.eye(6)
    np.testing.assert_allclose(
        W @ W @ (np.eye(6) + np.swapaxes(S, -1, -2) @ S), np.zeros(T.shape) + np.eye(6), atol=1e-12
    )


def by_points(x, obs, network, layout, scale, vertical):
    """Weights (channel, point, m, n) by Hunt's equations, one point and level after the other."""
    n, channels, points = len(x), len(layout.channels), layout.points
    near, apart = distances(layout, network.table)
    rho = np.asarray(gaspari_cohn(near, half_width(scale)))
    rho_v = np.asarray(gaspari_cohn(apart, half_width(vertical)))
    hx = np.asarray(jax.vmap(network.h)(x))
    Y, d = (hx - hx.mean(0)).T, np.asarray(obs.y) - hx.mean(0)
    W = np.empty((channels, points, n, n))
    for c in range(channels):
        for p in range(points):
            C = Y.T * (rho[p] * rho_v[c] / network.var)
            P = np.linalg.inv((n - 1) * np.eye(n) + C @ Y)
            lam, U = np.linalg.eigh((n - 1) * P)
            W[c, p] = (U * np.sqrt(lam)) @ U.T + (P @ C @ d)[:, None]
    return W


def weighted(layout, x, W):
    """Members as sums of departures, by weights of their point and channel."""
    fields = np.asarray(layout.unflatten(x))
    mean = fields.mean(0)
    return (mean + np.einsum("mfcp,cpmn->nfcp", fields - mean, W)).reshape(len(x), -1)


@pytest.mark.parametrize("route", ["pairs", "rows"])
def test_on_the_sphere_it_is_a_loop_over_points_and_levels(route):
    problem, x, obs = sphere()
    settings = {"length_scale_km": 1500.0, "vertical_scale": 0.5, "rtps": 0.0}
    method = letkf(problem, route=route, **settings)
    carry, _ = jax.jit(method.step)(jax.random.key(0), method.init(x), obs)
    layout = problem.model.layout
    expected = weighted(layout, x, by_points(x, obs, problem.network, layout, 1500.0, 0.5))
    np.testing.assert_allclose(carry.x, expected, atol=1e-6)  # cosines near 1 cost half the digits
    assert abs(carry.x - x).max() > 0.3


@pytest.mark.parametrize("route", ["pairs", "rows", "levels"])
@pytest.mark.parametrize(
    ("stride", "lat", "lon", "units"),
    [
        (2, [0, 2, 4, 6], range(0, 14, 2), 5),  # many blocks of nodes
        (5, [0, 5, 6], [0, 5, 10, 12], 128),  # one, and a stride that meets neither pole nor 360
    ],
)
def test_weights_between_nodes_are_scipys_interpolation(
    route, stride, lat, lon, units, monkeypatch
):
    """Bilinear, around the globe; both poles are nodes whatever the stride."""
    monkeypatch.setattr(combine, "FINISH_POINTS", 13)
    monkeypatch.setattr(plan, "BLOCK_UNITS", units)
    for module in (nodes, plan):
        monkeypatch.setattr(module, "BANDS", 3)
    problem, x, obs = sphere()
    settings = {"length_scale_km": 1500.0, "vertical_scale": 0.5, "rtps": 0.0}
    method = letkf(problem, route=route, weight_stride=stride, **settings)
    carry, _ = jax.jit(method.step)(jax.random.key(0), method.init(x), obs)
    layout = problem.model.layout
    W = by_points(x, obs, problem.network, layout, 1500.0, 0.5)
    W = np.moveaxis(W.reshape(len(W), 7, 12, *W.shape[2:]), 0, 2)
    around = np.concatenate([W, W[:, :1]], 1)[np.ix_(lat, lon)]
    points = np.stack(np.meshgrid(np.arange(7), np.arange(12), indexing="ij"), -1)
    between = RegularGridInterpolator((lat, lon), around)(points)
    between = np.moveaxis(between, 2, 0).reshape(len(layout.channels), 84, *W.shape[3:])
    np.testing.assert_allclose(carry.x, weighted(layout, x, between), atol=1e-6)
    assert carry.inflation.shape[0] == len(lat) * (len(lon) - 1)


def test_weights_between_nodes_take_half_the_memory_of_the_members(monkeypatch):
    monkeypatch.setattr(plan, "BLOCK_UNITS", 4)
    axes = {"latitude": np.linspace(-90, 90, 91), "longitude": np.arange(0.0, 360, 2)}
    globe = replace(SPHERE, coords=axes, dtype="float32")
    network = stations(globe, 50, np.random.default_rng(0))
    method = letkf(Problem(Still(globe), network, jnp.zeros((1, 1))), weight_stride=3)
    obs = Observation(jnp.asarray(0.0), jnp.zeros(network.size))
    carry = jax.eval_shape(method.init, jax.ShapeDtypeStruct((8, globe.size), jnp.float32))
    step = jax.jit(lambda c: method.step(jax.random.key(0), c, obs)[0], donate_argnums=0)
    temporary = step.lower(carry).compile().memory_analysis().temp_size_in_bytes
    assert temporary < 0.5 * 4 * 8 * globe.size


def test_points_out_of_reach_of_observations_are_unchanged():
    problem, x, obs = sphere(count=2)
    method = letkf(problem, length_scale_km=300.0, rotation=False)
    moved = jax.jit(method.step)(jax.random.key(0), method.init(x), obs)[0].x != x
    near, apart = distances(problem.model.layout, problem.network.table)
    reach = (near.T[:, None] < 300 * 3.66) & (apart.T[:, :, None] < 0.5 * 3.66)
    assert moved.any()
    assert not problem.model.layout.unflatten(moved)[:, :, ~reach.any(0)].any()


@pytest.mark.parametrize("adaptive", [False, True])
def test_observations_without_information_change_nothing(adaptive):
    problem, x, obs = sphere(std=1e9)
    method, other = letkf(problem, adaptive=adaptive), free(problem)
    carry, _ = jax.jit(method.step)(jax.random.key(3), method.init(x), obs)
    expected = jax.jit(other.step)(jax.random.key(3), other.init(x), obs)[0].x
    np.testing.assert_allclose(carry.x, expected, rtol=1e-12)


def test_adaptive_inflation_inflates_the_prior_before_the_update():
    """The analysis is that of a filter without adaptation from a prior inflated by the factor."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), jnp.asarray(4 + rng.normal(size=3))
    layout = Layout(tuple(map(Channel, "xyz")), {"site": np.arange(1)}, dtype="float64")
    problem = Problem(Still(layout), channels(layout), x)
    obs = Observation(jnp.asarray(0.0), y)
    adaptive = letkf(problem, rtps=0.0, adaptive=True)
    carry, info = jax.jit(adaptive.step)(jax.random.key(0), adaptive.init(jnp.asarray(x)), obs)
    lam = float(info["inflation"])
    assert lam > 1
    plain = letkf(problem, rtps=0.0)
    inflated = x.mean(0) + np.sqrt(lam) * (x - x.mean(0))
    expected, _ = jax.jit(plain.step)(jax.random.key(0), plain.init(jnp.asarray(inflated)), obs)
    np.testing.assert_allclose(carry.x, expected.x, rtol=1e-12)
    np.testing.assert_allclose(carry.inflation, lam)


def test_float32_states_stay_float32_and_are_close():
    results = {}
    for dtype in ("float64", "float32"):
        problem, x, obs = sphere(dtype=dtype)
        method = letkf(problem, length_scale_km=1500.0)
        results[dtype] = jax.jit(method.step)(jax.random.key(0), method.init(x), obs)[0].x
        assert results[dtype].dtype == dtype
    np.testing.assert_allclose(results["float32"], results["float64"], atol=1e-4)
