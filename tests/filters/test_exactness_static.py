"""Methods with static covariances: exact with block means, correlated errors and gaps at once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from areas import POINTS, WHOLE, gappy

from dabench.diffusion.model import Sampler
from dabench.filters.hybrid_3dvar import hybrid_3dvar
from dabench.filters.oi import oi
from dabench.filters.static import forecast_errors
from dabench.filters.var4d import var4d
from dabench.filters.whitened import whitened

MEAN = Sampler(sigma_max=1e9)
"""Where the denoised noise is the mean of the target to nine digits."""
ITERATIONS = 30  # of conjugate gradients, on systems of 16 values at most


@pytest.fixture(scope="module")
def case():
    return gappy()


@pytest.fixture(scope="module")
def B(case):
    """The covariance of forecast errors that static methods have."""
    covariance = forecast_errors(case.problem)
    size = int(covariance.modes.ends[-1])
    U = np.asarray(covariance.root(jnp.eye(size)[:, None])).reshape(size, POINTS).T
    return U @ U.T


def test_interpolation_has_the_gain_of_the_covariance_of_errors(case, B, key):
    settings = {"background": "mean", "covariance": "errors", "iterations": ITERATIONS}
    carry, _ = case.step(partial(oi, **settings, variance_scale=2.0, sampler=MEAN))(key)
    mean, _ = case.updated(case.A @ case.x.mean(0), 2.0 * B)
    np.testing.assert_allclose(carry.x.mean(0), mean, rtol=1e-7, atol=1e-7)


def test_interpolation_has_the_gain_of_the_climates_covariance(case, key):
    """Of 64 states, evenly spaced among all."""
    scales = {"length_scale_km": None, "vertical_scale": None}
    carry, info = case.step(partial(oi, **scales, covariance="climate", variance_scale=0.3))(key)
    climate = np.asarray(case.problem.climate)
    states = climate[np.linspace(0, len(climate) - 1, 64).astype(int)]
    background = np.asarray(info["background"]).mean(0)
    mean, _ = case.updated(background, 0.3 * np.cov(states.T))
    np.testing.assert_allclose(carry.x.mean(0), mean, rtol=1e-7, atol=1e-9)


def test_a_hybrid_gain_takes_the_static_step_from_kalmans_mean(case, B, key):
    make = partial(hybrid_3dvar, **WHOLE, beta=0.4, variance_scale=2.0, iterations=ITERATIONS)
    carry, info = case.step(make)(key)
    prior = np.asarray(info["background"])
    mean, P = case.updated(prior.mean(0), np.cov(prior.T))
    static = 0.4 * case.gain(2.0 * B) @ (case.y - case.H @ mean)
    assert abs(static).max() > 0.1
    np.testing.assert_allclose(carry.x.mean(0), mean + static, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(np.cov(carry.x.T), P, rtol=1e-7, atol=1e-9)


def test_the_mean_of_4dvars_is_kalmans_after_a_window_of_two_cycles(case, B, key):
    """From the background B, with model errors of its covariance; gaps are elsewhere each time."""
    first, scales = gappy(5), {"background_scale": 0.5, "noise_scale": 2.0}
    make = partial(var4d, window=2, **scales, outer=2, inner=ITERATIONS, sampler=MEAN)
    method = whitened(make, case.problem)

    @jax.jit
    def window(key):
        carry, _ = method.step(key, method.init(jnp.asarray(case.x)), first.obs)
        return method.step(key, carry, case.obs)[0].x

    mean, P = case.x.mean(0), 0.5 * B
    for cycle in (first, case):
        mean, P = cycle.updated(case.A @ mean, case.A @ P @ case.A.T + 2.0 * B)
    np.testing.assert_allclose(window(key).mean(0), mean, rtol=1e-6, atol=1e-6)
