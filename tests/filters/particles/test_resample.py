"""Resampling against DAPPER's numbers, expected offspring, and weights of exactly zero."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.filters.particles.resample import SCHEMES, ancestors, resample, residual, systematic
from dabench.filters.particles.weights import normalise

GOLDEN = Path(__file__).parents[2] / "data" / "l96_deterministic_golden.npz"
W = jnp.array([0.0, 0.31, 0.005, 0.2, 0.0, 0.285, 0.2, 0.0])


@pytest.mark.golden
@pytest.mark.compiled
def test_systematic_ancestors_are_those_of_dapper():
    golden = np.load(GOLDEN)
    w = jnp.asarray(golden["sys_w"])
    positions = (golden["sys_u"] + np.arange(len(w))) / len(w)
    np.testing.assert_array_equal(ancestors(w, jnp.asarray(positions)), golden["sys_idx"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_expected_offspring_is_n_w(scheme, key):
    trials, n = 20_000, len(W)
    draw = jax.jit(jax.vmap(lambda k: jnp.bincount(resample(scheme, k, W), length=n)))
    counts = np.asarray(draw(jax.random.split(key, trials)))
    expected = n * np.asarray(W)
    # A count is at least as concentrated as a binomial one, of variance n w (1 - w).
    error = np.sqrt(expected * (1 - np.asarray(W)) / trials)
    assert np.all(np.abs(counts.mean(0) - expected) <= 4.5 * error)
    assert np.all(counts.sum(1) == n)
    if scheme == "systematic":
        assert np.all(np.abs(counts - expected) < 1)
    if scheme == "residual":
        assert np.all(counts >= np.floor(expected))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_zero_weight_is_never_drawn(scheme, dtype, key):
    w = jnp.zeros(1001, dtype).at[1:-1:3].set(1 / 333)  # sums to 1 up to rounding, in float32 badly
    draw = jax.jit(jax.vmap(lambda k: resample(scheme, k, w)))
    assert np.all(np.asarray(w)[np.asarray(draw(jax.random.split(key, 200)))] > 0)


def test_positions_at_the_ends_draw_positive_weights():
    short = W * (1 - 1e-9)
    drawn = ancestors(short, jnp.array([0.0, 1 - 1e-16]))
    np.testing.assert_array_equal(drawn, [1, 6])


def test_uniform_weights_keep_every_member_in_place(key):
    drawn = jax.jit(jax.vmap(lambda k: systematic(k, jnp.full(50, 1 / 50))))
    for ancestor in np.asarray(drawn(jax.random.split(key, 20))):
        np.testing.assert_array_equal(ancestor, np.arange(50))


def test_certain_offspring_survive_the_rounding_of_exponentials(key):
    drawn = jax.jit(lambda log_w: residual(key, jnp.exp(normalise(log_w))))
    for n in (10, 16, 98):  # exp(-log n) is below 1 / n for the first and the last
        np.testing.assert_array_equal(drawn(np.zeros(n)), np.arange(n))
    shares = np.array([3.0, 2, 2, 1, 1, 1, 0, 0, 0, 0])  # tenths
    with np.errstate(divide="ignore"):
        offspring = np.bincount(drawn(np.log(shares)), minlength=10)
    np.testing.assert_array_equal(offspring, shares)
