"""The bootstrap filter against theory's collapse, its weights, and the shape of its jitter."""

import jax
import jax.numpy as jnp
import numpy as np
import optimised
import pandas as pd
import pytest

from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
from dabench.filters.bootstrap import bootstrap, spread_duplicates
from dabench.filters.particles.weights import normalise
from dabench.observe.network import Network, Observation
from dabench.systems.toys.additive_gaussian import AdditiveGaussian


def independent(size, std=1.0, move=lambda x: 0 * x):
    """x' = M(x) + N(0, I), observed everywhere; the default M = 0 makes N(0, I) the prior."""
    layout = Layout((Channel("state"),), {"site": np.arange(size)}, dtype="float64")
    model = AdditiveGaussian(layout, move, np.eye(size))
    network = Network(lambda x: x, np.full(size, std), pd.DataFrame(), linear=True)
    return Problem(model, network, jnp.zeros((1, size)))


@pytest.mark.parametrize(
    ("observed", "size", "weight"), [(10, 9.5, 0.32), (30, 2.6, 0.63), (100, 1.44, 0.85)]
)
def test_it_collapses_as_theory_says(observed, size, weight, key):
    """Mean N_eff and largest weight for N = 256, unit prior and error variance."""
    trials = 600
    method = bootstrap(independent(observed))

    def trial(key):
        keys = jax.random.split(key, 3)
        truth, error = (jax.random.normal(k, (observed,)) for k in keys[:2])
        start = method.init(jnp.zeros((256, observed)))
        _, info = method.step(keys[2], start, Observation(jnp.zeros(()), truth + error))
        return info["ess"], jnp.exp(info["log_weights"].max())

    results = optimised.jit(lambda keys: jax.lax.map(trial, keys, batch_size=50))(
        jax.random.split(key, trials)
    )
    for drawn, expected, digit in zip(results, (size, weight), (0.05, 0.005), strict=True):
        # The published figure has an error of its own: take it for as large as ours.
        assert abs(drawn.mean() - expected) < 4 * np.sqrt(2 / trials) * drawn.std() + digit


def test_weights_are_kept_until_the_effective_size_is_too_small(key):
    problem = independent(2, move=lambda x: x)
    obs, start = Observation(jnp.zeros(()), jnp.array([1.0, -1.0])), jnp.zeros((400, 2))
    rarely, always = bootstrap(problem, threshold=0.01), bootstrap(problem, threshold=1.0)
    step = jax.jit(rarely.step)
    first, info = step(key, rarely.init(start), obs)
    moved = first.particles
    likelihood = -0.5 * np.sum((np.asarray(moved) - [1.0, -1.0]) ** 2, -1)
    np.testing.assert_allclose(info["log_weights"], normalise(jnp.asarray(likelihood)), rtol=1e-10)
    np.testing.assert_array_equal(first.log_weights, info["log_weights"])
    np.testing.assert_array_equal(info["ancestor"], np.arange(400))
    second, info = step(jax.random.fold_in(key, 1), first, obs)
    both = likelihood - 0.5 * np.sum((np.asarray(second.particles) - [1.0, -1.0]) ** 2, -1)
    np.testing.assert_allclose(info["log_weights"], normalise(jnp.asarray(both)), rtol=1e-9)

    resampled, _ = jax.jit(always.step)(key, always.init(start), obs)
    np.testing.assert_array_equal(resampled.x, first.x)  # the archived draws do not depend on it
    np.testing.assert_array_equal(resampled.x, resampled.particles)
    np.testing.assert_allclose(jnp.exp(resampled.log_weights), 1 / 400)


@pytest.mark.parametrize("size", [2, 900])
def test_jitter_is_a_kernel_of_the_weighted_covariance_for_duplicates_alone(size, key):
    """It is computed from the covariance (2 variables) or the anomalies (900)."""
    n, keys = 800, jax.random.split(key, 3)
    x = jax.random.normal(keys[0], (n, 2)) @ jnp.array([[1.0, 0.8], [0.0, 0.5]])
    x = x[:, np.arange(size) % 2] if size > 2 else x
    log_w = normalise(jax.random.normal(keys[1], (n,)))
    ancestor = jnp.where(jnp.arange(n) < 100, jnp.arange(n), 100 + jnp.arange(n) % 7)
    noise = spread_duplicates(keys[2], x, log_w, ancestor, 0.7)[:, :2]
    np.testing.assert_array_equal(noise[:100], 0)
    cov = np.cov(x[:, :2], rowvar=False, aweights=np.exp(log_w)) * 0.7**2 * n ** (-2 / (size + 4))
    std = np.sqrt(np.diag(cov))
    error = np.sqrt((cov**2 + np.outer(std, std) ** 2) / 700)
    assert np.all(np.abs(noise[100:].T @ noise[100:] / 700 - cov) < 4.5 * error)


def test_with_a_deterministic_model_particles_collapse_unless_there_is_jitter(key):
    layout = Layout((Channel("state"),), {"site": np.arange(3)}, dtype="float64")

    class Still:
        def __init__(self):
            self.layout = layout

        def forecast(self, keys, x, time):
            return x

    problem = independent(3, std=0.3)._replace(model=Still())
    obs, start = Observation(jnp.zeros(()), jnp.zeros(3)), jax.random.normal(key, (200, 3))
    spread = {}
    for jitter in (0.0, 1.0):
        method = bootstrap(problem, jitter=jitter)
        carry, step = method.init(start), jax.jit(method.step)
        for k in range(12):
            carry, _ = step(jax.random.fold_in(key, k), carry, obs)
        spread[jitter] = len(np.unique(carry.x[:, 0]))
    assert spread[0.0] < 20
    assert spread[1.0] > 100
