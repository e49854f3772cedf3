"""Weights and tempering by their definitions, where plain arithmetic would overflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from dabench.filters.particles import weights
from dabench.filters.particles.weights import log_likelihood
from dabench.observe.network import Network, Observation

ess, normalise, temper = (jax.jit(f) for f in (weights.ess, weights.normalise, weights.temper))


def test_log_likelihood_is_the_log_of_a_product_of_normal_densities(key):
    from scipy.stats import norm

    std = np.array([0.5, 2.0, 1.0])
    network = Network(lambda x: x, std, pd.DataFrame(), linear=True)
    hx, y = jax.random.normal(key, (4, 3)), jnp.array([0.1, 0.2, 0.3])
    expected = norm.logpdf(y, hx, std).sum(-1) - norm.logpdf(0, 0, std).sum()
    np.testing.assert_allclose(
        log_likelihood(hx, Observation(jnp.zeros(()), y), network), expected, rtol=1e-12
    )


def test_weights_sum_to_one_where_exponentials_underflow():
    log_w = normalise(jnp.array([-1e5, -1e5 - np.log(3.0), -2e5]))
    np.testing.assert_allclose(jnp.exp(log_w), [0.75, 0.25, 0], rtol=1e-10)
    np.testing.assert_allclose(ess(log_w), 1 / (0.75**2 + 0.25**2), rtol=1e-10)


def test_a_member_that_is_not_a_number_has_no_weight():
    log_w = normalise(jnp.array([jnp.nan, 0.0, -jnp.inf, 0.0]))
    np.testing.assert_allclose(jnp.exp(log_w), [0, 0.5, 0, 0.5], rtol=1e-12)
    np.testing.assert_allclose(jnp.exp(normalise(jnp.full(4, jnp.nan))), 0.25)


@pytest.mark.parametrize("scale", [30.0, 1e6])
def test_tempering_puts_the_effective_size_in_its_window(scale, key):
    log_w = -scale * jax.random.normal(key, (256,)) ** 2
    alpha = temper(log_w, 60, 70)
    assert 0 < alpha < 1
    w = np.exp(float(alpha) * np.asarray(log_w - log_w.max()))
    assert 60 <= w.sum() ** 2 / np.sum(w**2) <= 70


def test_weights_that_are_even_enough_are_left_alone(key):
    log_w = 0.01 * jax.random.normal(key, (256,))
    assert temper(log_w, 60, 70) == 1
    assert temper(jnp.zeros(8), 4, 5) == 1


def test_members_without_weight_stay_out_however_much_is_tempered():
    log_w = jnp.array([0.0, -1e3, -jnp.inf, -3e3])
    alpha = temper(log_w, 2, 2.5)
    w = np.exp(float(alpha) * np.array([0, -1e3, -3e3]))
    assert 2 <= w.sum() ** 2 / np.sum(w**2) <= 2.5
    assert jnp.isfinite(temper(log_w, 3.9, 4))  # out of reach: 3 members at most
