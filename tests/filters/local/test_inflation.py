"""Inflations against their formulas; the rotation against its law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.errors import UserError
from dabench.filters.local.inflation import (
    Consistency,
    adapt,
    analysis_inflation,
    complement_of_ones,
    multiply,
    relax_to_prior_perturbations,
    relax_to_prior_spread,
    rotate,
)


@pytest.fixture
def x(key):
    return 5 + jax.random.normal(key, (7, 3))


def test_multiply_scales_the_spread_and_keeps_the_mean(x):
    y = multiply(x, 1.3)
    np.testing.assert_allclose(y.mean(0), x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(jnp.std(y, 0), 1.3 * jnp.std(x, 0), rtol=1e-13)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_rtps_relaxes_the_spread_linearly(x, alpha):
    prior = 2 + 3 * x[::-1]
    s, s_b = np.std(x, 0, ddof=1), np.std(prior, 0, ddof=1)
    y = relax_to_prior_spread(x, prior, alpha)
    np.testing.assert_allclose(np.std(y, 0, ddof=1), (1 - alpha) * s + alpha * s_b, rtol=1e-13)
    np.testing.assert_allclose(y.mean(0), x.mean(0), rtol=1e-14)


def test_rtps_leaves_a_variable_without_spread(x):
    y = relax_to_prior_spread(x.at[:, 0].set(1.0), x, 0.5)
    np.testing.assert_array_equal(y[:, 0], 1.0)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_rtpp_mixes_the_anomalies(x, alpha):
    prior = 2 + 3 * x[::-1]
    y = relax_to_prior_perturbations(x, prior, alpha)
    x, prior = np.asarray(x), np.asarray(prior)
    expected = x.mean(0) + (1 - alpha) * (x - x.mean(0)) + alpha * (prior - prior.mean(0))
    np.testing.assert_allclose(y, expected, rtol=1e-13)


def test_two_relaxations_are_refused():
    assert analysis_inflation(1.1, 0.0, 0.3) == (1.1, 0.0, 0.3)
    with pytest.raises(UserError, match=r"rtpp: 0\.3 .* rtps: 0\.5 .* one of them to 0"):
        analysis_inflation(1.0, 0.5, 0.3)


def test_rotation_keeps_mean_and_covariance(key, x):
    y = rotate(key, x)
    np.testing.assert_allclose(y.mean(0), x.mean(0), rtol=1e-13)
    np.testing.assert_allclose(np.cov(y, rowvar=False), np.cov(x, rowvar=False), rtol=1e-12)
    assert abs(y - x).max() > 0.1


def test_rotation_is_haar_on_the_complement_of_ones():
    B, n, draws = complement_of_ones(4), 4, 4000
    np.testing.assert_allclose(B.T @ B, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(B.sum(0), 0, atol=1e-15)
    keys = jax.random.split(jax.random.key(1), draws)
    Q = np.einsum("in,kij,jm->knm", B, jax.vmap(lambda k: rotate(k, jnp.eye(n)))(keys), B)
    # entries of a Haar matrix have mean 0, variance 1/3 and fourth moment 3 / (3 * 5)
    np.testing.assert_allclose(Q.mean(0), 0, atol=4.5 * np.sqrt(1 / 3 / draws))
    np.testing.assert_allclose((Q**2).mean(0), 1 / 3, atol=4.5 * np.sqrt((1 / 5 - 1 / 9) / draws))


def test_adaptive_inflation_is_the_gaussian_update():
    d, s, p, lam = 40.0, 9.0, 12.0, 1.1
    observed, variance = (d - p) / s, 2 / p * ((lam * s + p) / s) ** 2
    expected = (0.04**2 * observed + variance * lam) / (0.04**2 + variance)
    sums = Consistency(*(jnp.full(1, v) for v in (d, s, p)))
    np.testing.assert_allclose(adapt(jnp.full(1, lam), sums), expected, rtol=1e-13)


def test_adaptive_inflation_stays_where_nothing_is_observed_or_nothing_varies():
    d, s, p = jnp.array([0.0, 3.0]), jnp.array([0.0, 0.0]), jnp.array([0.0, 4.0])
    np.testing.assert_array_equal(adapt(jnp.full(2, 1.2), Consistency(d, s, p)), 1.2)


def test_adaptive_inflation_finds_the_factor_that_is_missing():
    """Innovations of variance R + 4 s² against an ensemble of variance s²."""
    rng, lam, count = np.random.default_rng(0), jnp.ones(1), 200
    tail = []
    for _ in range(600):
        d = rng.normal(size=count) * np.sqrt(1 + 4 * 0.5)
        sums = Consistency(*(jnp.full(1, v) for v in (np.sum(d**2), count * 0.5, float(count))))
        lam = adapt(lam, sums)
        tail.append(float(lam[0]))
    # one cycle's estimate has sd sqrt(2 / 200) * 3 / 0.5 = 0.6; the gain 0.0016 / 0.36 averages
    # over 450 of them, so the sd left is 0.6 * sqrt(0.0022) = 0.03, and 7 % of the start's 3
    assert np.mean(tail[-100:]) == pytest.approx(4, abs=0.25)
