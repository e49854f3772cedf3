"""The posterior denoiser against Gaussian conditioning, exact at every noise level."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optimised
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from dabench.core.layout import Channel, Layout
from dabench.diffusion import draw
from dabench.diffusion.evidence import log_evidence
from dabench.diffusion.guidance import Condition, GuidanceSettings, posterior_mean
from dabench.diffusion.model import Sampler
from dabench.diffusion.samplers import noise_levels
from dabench.observe.network import Network
from dabench.systems.toys.additive_gaussian import AdditiveGaussian, ring_correlation

SIZE, OBSERVED, STD = 64, np.arange(0, 64, 4), 0.1
LAYOUT = Layout((Channel("state"),), {"site": np.arange(SIZE)}, periodic=True, dtype="float64")
NETWORK = Network(lambda x: x[OBSERVED], np.full(16, STD), pd.DataFrame(), linear=True)
H = np.eye(SIZE)[OBSERVED]
EXACT, TWO_STEPS = GuidanceSettings("cg", 9), GuidanceSettings()
"""On a ring of 16 equidistant observations the system has 9 eigenvalues, which CG needs at most."""


def model(noise="identity"):
    """Prior N(0, Q) with unit variance, correlated over three sites."""
    C = None if noise == "identity" else ring_correlation(SIZE, 1.0)
    return AdditiveGaussian(LAYOUT, lambda x: 0 * x, ring_correlation(SIZE, 3.0), C)


def observations():
    rng = np.random.default_rng(1)
    truth = np.linalg.cholesky(ring_correlation(SIZE, 3.0)) @ rng.standard_normal(SIZE)
    return truth[OBSERVED] + STD * rng.standard_normal(16)


def condition_of(y, settings=TWO_STEPS, error_std=NETWORK.error_std):
    return Condition(NETWORK.h, error_std, jnp.asarray(y), settings)


def condition_on(mean, cov, y):
    """Mean and covariance of N(mean, cov) given y."""
    gain = cov @ H.T @ np.linalg.inv(H @ cov @ H.T + STD**2 * np.eye(len(H)))
    return mean + (y - mean @ H.T) @ gain.T, cov - gain @ H @ cov


def at_level(m, sigma, z, guide):
    """The posterior mean of z, at some noise level, given the observations."""

    @jax.jit
    def posterior(level, z, y):
        denoise = m.denoiser(level)
        condition = condition_of(y, guide)
        return posterior_mean(m, condition, lambda z: denoise(z, ()), level, z, jnp.zeros_like(z))

    return posterior(jnp.asarray(sigma), z, observations())


@pytest.mark.parametrize("noise", ["identity", "correlated"])
@pytest.mark.parametrize("sigma", [0.01, 1.0, 80.0])
def test_posterior_denoiser_is_the_mean_given_z_and_y(noise, sigma, key):
    m = model(noise)
    z = jax.random.normal(key, (3, SIZE)) * np.sqrt(1 + sigma**2)
    D_y, guarded, residual = at_level(m, sigma, z, EXACT)
    P = m.model_cov
    C = np.eye(SIZE) if noise == "identity" else m.noise_cov_matrix
    gain = np.linalg.solve(P + sigma**2 * C, P).T
    expected, _ = condition_on(np.asarray(z) @ gain.T, P - gain @ P, observations())
    np.testing.assert_allclose(D_y, expected, atol=1e-6)
    assert not guarded.any()
    assert residual.max() < 1e-6


@pytest.mark.parametrize(
    ("sigma", "guide"), [(0.3, GuidanceSettings()), (80.0, GuidanceSettings("cg", 4))]
)
def test_forward_and_reverse_products_agree_for_an_exact_denoiser(sigma, guide, key):
    z = jax.random.normal(key, (3, SIZE)) * np.sqrt(1 + sigma**2)
    forward, reverse = (
        at_level(model("correlated"), sigma, z, replace(guide, product=product))[0]
        for product in ("jvp", "vjp")
    )
    np.testing.assert_allclose(forward, reverse, rtol=1e-8, atol=1e-8)


def test_posterior_sampling_by_gradient_takes_the_gradient_of_the_distance_to_y(key):
    """D + sigma² C grad(-|y - h(D(z))|), in units of the observations' errors."""
    m, z, y = model("correlated"), jax.random.normal(key, (2, SIZE)), observations()
    D = m.denoiser(jnp.asarray(0.7))

    @jax.jit
    def stepped(z):
        gradient = jax.grad(lambda z: -jnp.linalg.norm((y - D(z[None], ())[0, OBSERVED]) / STD))
        return D(z, ()) + 0.7**2 * m.noise_cov(jax.vmap(gradient)(z))

    expected = stepped(z)
    D_y, guarded, _ = at_level(m, 0.7, z, GuidanceSettings("dps", units="errors"))
    np.testing.assert_allclose(D_y, expected, rtol=1e-9)
    assert not guarded.any()
    assert GuidanceSettings("dps").products == 1


def test_a_nonlinear_observation_is_linearised_at_the_denoised_mean(key):
    m, sigma = model(), 0.5
    network = replace(NETWORK, h=lambda x: jnp.hypot(x[OBSERVED], x[OBSERVED + 1]), linear=False)
    y, z = jnp.full(16, 0.7), jax.random.normal(key, (1, SIZE))
    denoise = m.denoiser(jnp.asarray(sigma))
    guide = GuidanceSettings("cg", 16)  # with slopes of its own at each observation
    condition, zero = Condition(network.h, network.error_std, y, guide), jnp.zeros_like(z)

    @jax.jit
    def both(z):
        mean, *_ = posterior_mean(m, condition, lambda z: denoise(z, ()), sigma, z, zero)
        return mean, denoise(z, ())

    D_y, unguided = both(z)
    D = np.asarray(unguided)[0]
    P = m.model_cov
    V = P - P @ np.linalg.solve(P + sigma**2 * np.eye(SIZE), P)
    slope = np.zeros((16, SIZE))
    length = np.hypot(D[OBSERVED], D[OBSERVED + 1])
    slope[np.arange(16), OBSERVED] = D[OBSERVED] / length
    slope[np.arange(16), OBSERVED + 1] = D[OBSERVED + 1] / length
    S = slope @ V @ slope.T + STD**2 * np.eye(16)
    expected = D + V @ slope.T @ np.linalg.solve(S, np.asarray(y) - length)
    np.testing.assert_allclose(D_y[0], expected, atol=1e-6)


@pytest.mark.parametrize("noise", ["identity", "correlated"])
def test_log_evidence_is_the_density_of_y(noise, key):
    m, sigma = model(noise), jnp.asarray(80.0)
    z, x = sigma * jax.vmap(m.noise)(jax.random.split(key, 4)), jnp.zeros((4, SIZE))
    denoise, y = m.denoiser(sigma), observations()
    log_p, D = jax.jit(
        lambda z: log_evidence(m, condition_of(y), lambda z: denoise(z, ()), sigma, z, x)
    )(z)
    P = m.model_cov
    C = np.eye(SIZE) if noise == "identity" else m.noise_cov_matrix
    V = P - P @ np.linalg.solve(P + 80.0**2 * C, P)
    S = H @ V @ H.T + STD**2 * np.eye(16)
    r = y - np.asarray(D) @ H.T
    expected = -0.5 * np.sum(r * np.linalg.solve(S, r.T).T, -1) - 0.5 * np.linalg.slogdet(S)[1]
    constant = 16 * np.log(STD)
    np.testing.assert_allclose(log_p, expected + constant, rtol=1e-8)


def test_few_directions_do_where_forecasts_vary_in_few(key):
    """The 16 observed sites, each observed three times: H V Hᵀ has rank 16 of 48."""
    m, sigma, times = model("correlated"), jnp.asarray(80.0), 3
    z, x = sigma * jax.vmap(m.noise)(jax.random.split(key, 4)), jnp.zeros((4, SIZE))
    y = np.random.default_rng(2).normal(size=16 * times)
    denoise, h = m.denoiser(sigma), lambda x: jnp.tile(x[OBSERVED], times)
    condition = Condition(h, np.full(16 * times, STD), jnp.asarray(y))
    log_p, D = jax.jit(
        lambda z: log_evidence(m, condition, lambda z: denoise(z, ()), sigma, z, x, rank=16)
    )(z)
    P, thrice = m.model_cov, np.tile(H, (times, 1))
    V = P - P @ np.linalg.solve(P + 80.0**2 * m.noise_cov_matrix, P)
    density = multivariate_normal(np.zeros(len(y)), thrice @ V @ thrice.T + STD**2 * np.eye(len(y)))
    expected = density.logpdf(y - np.asarray(D) @ thrice.T)
    constant = len(y) * (np.log(STD) + 0.5 * np.log(2 * np.pi))
    np.testing.assert_allclose(log_p, expected + constant, rtol=1e-8)


class CIgnored:
    """A model that takes its correlated noise for white."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def noise_cov(self, w):
        return w


DRAWS = 4000
POSTERIOR = {
    # a trial of the method with another program, 64 variables: variance ratio (here all, observed)
    "40 levels": (Sampler(), EXACT, 0.98),
    "20 levels": (Sampler(levels=20), EXACT, 0.89),
    "two BiCGStab iterations": (Sampler(), GuidanceSettings(), 1.01),
    "two corrector steps": (Sampler(correctors=2, tau=0.3), GuidanceSettings(), 0.984),
}


def drawn(m, sampler, guide, key):
    condition = condition_of(observations(), guide)
    draws = optimised.jit(
        lambda keys, x: draw.members(keys, m, x, jnp.zeros(()), sampler, DRAWS, condition)[0]
    )
    return np.asarray(draws(jax.random.split(key, DRAWS), jnp.zeros((DRAWS, SIZE))))


def compare(x, noise="identity"):
    """Squared error of the mean over its expectation, and variance ratios: all and observed."""
    mean, cov = condition_on(np.zeros(SIZE), ring_correlation(SIZE, 3.0), observations())
    error = np.sum((x.mean(0) - mean) ** 2) / (np.trace(cov) / DRAWS)
    variance, exact = x.var(0), np.diag(cov)
    return error, variance.sum() / exact.sum(), (variance[OBSERVED] / exact[OBSERVED]).mean()


@pytest.mark.parametrize("setting", POSTERIOR)
def test_draws_have_the_posterior_mean_and_the_documented_share_of_its_variance(setting, key):
    sampler, guide, ratio = POSTERIOR[setting]
    error, _, observed = compare(drawn(model(), sampler, guide, key))
    # The observed variances scatter by sqrt(2 / 4000 / 16 sites) = 0.006; the trial's rounding and
    # its own scatter are as large, so 4 * sqrt(2) * 0.006 = 0.03.
    assert abs(observed - ratio) < 0.03
    # Effectively 16 + a few degrees of freedom: chi2 / dof < 1 + 4 sqrt(2 / 16), if unbiased.
    assert error < 2.4


def test_draws_with_correlated_noise_are_as_good_and_ruined_where_c_is_ignored(key):
    m = model("correlated")
    error, _, observed = compare(drawn(m, Sampler(), EXACT, key))
    assert abs(observed - 0.98) < 0.03
    assert error < 2.4
    error, _, observed = compare(drawn(CIgnored(m), Sampler(), EXACT, key))
    assert observed > 1.5
    assert error > 10


def test_no_information_leaves_the_unconditional_draw(key):
    m, keys = model("correlated"), jax.random.split(key, 5)
    x, blind = (
        jax.random.normal(key, (5, SIZE)),
        condition_of(observations(), error_std=np.full(16, 1e9)),
    )
    free, guided = (
        jax.jit(lambda keys, x, c=c: draw.members(keys, m, x, jnp.zeros(()), Sampler(), 5, c)[0])(
            keys, x
        )
        for c in (None, blind)
    )
    np.testing.assert_allclose(guided, free, atol=1e-12)


def test_guidance_is_off_above_its_noise_level_and_counted_below(key):
    m, keys, x = model(), jax.random.split(key, 3), jnp.zeros((3, SIZE))
    sampler = Sampler(levels=12)

    def drawn(sigma_guide):
        guide = GuidanceSettings("cg", 3, sigma_guide=sigma_guide)
        condition = condition_of(observations(), guide)
        return members(condition)

    def members(condition=None):
        draws = jax.jit(
            lambda keys, x: draw.members(keys, m, x, jnp.zeros(()), sampler, 2, condition)
        )
        return draws(keys, x)

    free, _ = members()
    levels = noise_levels(sampler)
    for sigma_guide, count in [(1e3, 12), (levels[5], 7), (1e-4, 0)]:
        x_next, stats = drawn(sigma_guide)
        assert stats["products"] == 3 * count
        assert ("residual" in stats) == (count > 0)
        assert (count == 0) == bool(jnp.allclose(x_next, free, atol=1e-12))
