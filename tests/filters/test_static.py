"""The static covariance: homogeneous, with the closed form of its analysis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rates import problem
from twins import SPHERE, stations

from dabench.core.layout import Channel, Layout
from dabench.filters.hybrid_3dvar import hybrid_3dvar
from dabench.filters.letkf import letkf
from dabench.filters.static import (
    StaticCovariance,
    estimate,
    forecast_errors,
    increments,
    matrix_root,
)
from dabench.filters.waves import modes
from dabench.observe.network import Observation

RNG = np.random.default_rng(0)
RING = Layout((Channel("a"), Channel("b")), {"site": np.arange(5)}, periodic=True, dtype="float64")


def dense(B: StaticCovariance, layout: Layout) -> np.ndarray:
    """B as a matrix of one frame's variables."""
    _, channels, points = layout.shape
    unit = jnp.eye(channels * points).reshape(-1, channels, points)
    return np.asarray(B.root(B.adjoint(unit))).reshape(channels * points, -1)


def test_on_a_ring_it_is_the_sample_covariance_averaged_over_turns_and_reflections():
    errors = RNG.normal(size=(3, 2, 5))
    B = dense(estimate(RING, errors), RING)
    turned = [np.roll(e, shift, -1) for e in (errors, errors[..., ::-1]) for shift in range(5)]
    samples = np.concatenate(turned).reshape(-1, 10)
    np.testing.assert_allclose(B, samples.T @ samples / len(samples), atol=1e-12)


def sphere_covariance() -> StaticCovariance:
    by_degree = modes(SPHERE)
    roots = [matrix_root(np.cov(RNG.normal(size=(4, 9)))) for _ in by_degree.ends]
    return StaticCovariance(np.stack(roots), by_degree)


def test_on_the_sphere_variance_is_the_same_everywhere_and_the_adjoint_is_the_transpose():
    B = sphere_covariance()
    matrix = dense(B, SPHERE)
    orders = np.diff(B.modes.ends, prepend=0)
    expected = (orders[:, None] * (B.roots**2).sum(2)).sum(0) / (4 * np.pi)
    variance = np.diag(matrix).reshape(4, -1)
    np.testing.assert_allclose(variance, np.broadcast_to(expected[:, None], variance.shape))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)


def test_increments_are_those_of_the_gain():
    network, B = stations(SPHERE, 20, RNG), sphere_covariance()
    x, y = jnp.asarray(RNG.normal(size=(2, SPHERE.size))), jnp.asarray(RNG.normal(size=(2, 20)))
    change = np.asarray(increments(SPHERE, network, B, 0.3, x, Observation(jnp.zeros(()), y), 20))
    H = np.asarray(jax.jacobian(network.h)(x[0]))[:, SPHERE.size // 2 :]
    P = 0.3 * dense(B, SPHERE)
    gain = P @ H.T @ np.linalg.inv(H @ P @ H.T + np.diag(network.var))
    departure = np.asarray(y - jax.vmap(network.h)(x))
    np.testing.assert_allclose(change[:, SPHERE.size // 2 :], departure @ gain.T, atol=1e-6)
    assert not change[:, : SPHERE.size // 2].any()


@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_the_hybrid_recentres_the_letkf(beta, key):
    """By β K (y - H m), with the sample covariance of forecasts that its formula has."""
    system, p = problem(observed=(0, 2))
    x, y = system.climate[:8], jnp.array([2.0, -1.0])
    obs = Observation(jnp.zeros(()), y)
    hybrid = hybrid_3dvar(p, beta=beta, rtps=0.2)
    ens, _ = jax.jit(hybrid.step)(key, hybrid.init(x), obs)
    other = letkf(p, rtps=0.2)
    base = np.asarray(jax.jit(other.step)(key, other.init(x), obs)[0].x)
    moved = np.asarray(ens.x) - base
    assert np.ptp(moved, axis=0).max() < 1e-12
    if not beta:
        assert np.abs(moved).max() < 1e-12
        return
    P, H = dense(forecast_errors(p), system.layout), np.eye(4)[[0, 2]]
    gain = P @ H.T @ np.linalg.inv(H @ P @ H.T + 0.25 * np.eye(2))
    expected = beta * gain @ (np.asarray(y) - H @ base.mean(0))
    np.testing.assert_allclose(moved[0], expected, atol=1e-8)
