"""Optimal interpolation against its formula, with one member and with many."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear import matrices
from rates import SIZE, problem
from twins import Still, free, sites, sphere

from dabench.core.layout import Channel, Layout
from dabench.diffusion.model import Sampler
from dabench.filters.base import Problem
from dabench.filters.oi import climate_departures, oi, solve
from dabench.filters.static import forecast_errors
from dabench.observe.network import Observation

LINE = Layout((Channel("x"),), {"site": np.arange(5)}, dtype="float64")
RNG = np.random.default_rng(0)
CLIMATE = RNG.normal(size=(30, 5)) @ RNG.normal(size=(5, 5)) + 2
NETWORK = sites(5, 2, 0.7)
H = np.eye(5)[::2]


def gain(B):
    return B @ H.T @ np.linalg.inv(H @ B @ H.T + 0.7**2 * np.eye(3))


def update(x, key, **settings):
    y = jnp.asarray([1.0, 2.0, 3.0])
    method = oi(Problem(Still(LINE), NETWORK, CLIMATE), draws=30, **settings)
    obs = Observation(jnp.zeros(()), y)
    return np.asarray(jax.jit(method.step)(key, method.init(x), obs)[0].x), y


@pytest.mark.parametrize("route", ["pairs", "rows"])
@pytest.mark.parametrize("members", [1, 6])
def test_the_mean_is_interpolated_with_the_climates_covariance(key, members, route):
    x = np.random.default_rng(1).normal(size=(members, 5))
    moved, y = update(jnp.asarray(x), key, variance_scale=0.3, route=route)
    K = gain(0.3 * np.cov(CLIMATE, rowvar=False))
    mean = x.mean(0)
    np.testing.assert_allclose(moved.mean(0), mean + K @ (np.asarray(y) - H @ mean), rtol=1e-11)


def test_members_spread_as_the_posterior_of_the_gain(key):
    """Cov = (I - KH) B_x (I - KH)ᵀ + K R Kᵀ for draws of a background of covariance B_x."""
    x = jax.random.normal(key, (40000, 5))
    moved, _ = update(x, key, variance_scale=0.3)
    K = gain(0.3 * np.cov(CLIMATE, rowvar=False))
    expected = (np.eye(5) - K @ H) @ (np.eye(5) - K @ H).T + 0.7**2 * K @ K.T
    # an entry of a covariance of 40000 draws has an sd of at most sqrt(2 / 40000) of a variance
    np.testing.assert_allclose(np.cov(moved, rowvar=False), expected, atol=4.5 * 0.0071 * 1.5)


def test_from_the_climate_it_forgets_the_last_cycle(key):
    a, y = update(jnp.zeros((4, 5)), key, background="climatology", variance_scale=1.0)
    b, _ = update(jnp.ones((4, 5)), key, background="climatology", variance_scale=1.0)
    np.testing.assert_array_equal(a, b)
    centre, K = CLIMATE.mean(0), gain(np.cov(CLIMATE, rowvar=False))
    np.testing.assert_allclose(a.mean(0), centre + K @ (np.asarray(y) - H @ centre), rtol=1e-10)


def test_departures_have_the_scaled_covariance():
    A, S = climate_departures(CLIMATE, 30, 0.5, NETWORK)
    B = 0.5 * np.cov(CLIMATE, rowvar=False)
    np.testing.assert_allclose(A.T @ A / 29, B, rtol=1e-12)
    np.testing.assert_allclose(S.T @ S, H @ B @ H.T / 0.7**2, rtol=1e-12)


def test_observations_without_information_change_nothing(key):
    blind, x, obs = sphere(std=1e9)
    method, other = oi(blind), free(blind)
    ens, _ = jax.jit(method.step)(key, method.init(x), obs)
    np.testing.assert_allclose(ens.x, jax.jit(other.step)(key, other.init(x), obs)[0].x, atol=1e-6)


def test_on_the_sphere_both_routes_agree(key):
    whole, x, obs = sphere()
    by = [oi(whole, route=route, length_scale_km=1500.0) for route in ("pairs", "rows")]
    pairs, rows = (jax.jit(m.step)(key, m.init(x), obs)[0].x for m in by)
    np.testing.assert_allclose(pairs, rows, atol=1e-12)
    assert abs(pairs - x).max() > 0.3


@pytest.mark.parametrize("background", ["forecast", "climatology"])
def test_float32_states_stay_float32(key, background):
    line = Layout((Channel("x"),), {"site": np.arange(5)}, dtype="float32")
    climate = CLIMATE.astype(np.float32)
    method = oi(Problem(Still(line), NETWORK, climate), draws=30, background=background)
    y = Observation(jnp.zeros(()), jnp.ones(3, jnp.float32))
    after, _ = jax.eval_shape(method.step, key, method.init(jnp.asarray(climate[:4])), y)
    assert after.x.dtype == jnp.float32


def test_eigenvalues_that_rounding_made_negative_count_as_zero():
    """I + A has an eigenvalue of -3, which no positive semi-definite A has: it counts as 1."""
    U = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    b = RNG.normal(size=(2, 4, 3))
    A = np.stack([(U * [5.0, 1.0, 0.5, low]) @ U.T for low in (2.0, -4.0)])
    right = np.stack(
        [(U / [6.0, 2.0, 1.5, low]) @ U.T @ v for low, v in zip((3, 1), b, strict=True)]
    )
    np.testing.assert_allclose(solve(jnp.asarray(A), jnp.asarray(b)), right, rtol=1e-12)
    sound = solve(jnp.asarray(A[:1]), jnp.asarray(b[:1]))
    np.testing.assert_allclose(sound, np.linalg.solve(np.eye(4) + A[:1], b[:1]), rtol=1e-12)


def test_with_forecast_errors_the_gain_is_that_of_their_covariance(key):
    """From the mean of the forecast: on the linear-Gaussian system everything has a closed form."""
    system, p = problem("correlated", observed=(0, 2), intercept=1.0)
    x, y = np.asarray(system.climate[:5]), np.array([20.0, 21.0])
    wide = Sampler(sigma_max=1e6)  # where the denoised noise is the target's mean
    method = oi(p, background="mean", covariance="errors", variance_scale=2.0, sampler=wide)
    moved, info = jax.jit(method.step)(
        key, method.init(jnp.asarray(x)), Observation(jnp.zeros(()), y)
    )
    v = jnp.eye(SIZE)[:, None]
    B, F = forecast_errors(p), np.eye(SIZE)[[0, 2]]
    P = 2.0 * np.asarray(B.root(B.adjoint(v)))[:, 0]
    K = P @ F.T @ np.linalg.inv(F @ P @ F.T + 0.25 * np.eye(2))
    mean = x.mean(0) @ matrices(system).A.T + 1.0
    np.testing.assert_allclose(moved.x.mean(0), mean + K @ (y - F @ mean), atol=1e-5)
    assert info["evaluations"] == 1
