"""The local particle filter against weighted moments, at each point, and on a Gaussian problem."""

import jax
import jax.numpy as jnp
import numpy as np
import optimised
import pytest
from twins import Still, free, sites, sphere

from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
from dabench.filters.local.plan import make_plan
from dabench.filters.local.taper import localisation
from dabench.filters.local.weighted import second_order
from dabench.filters.lpf import lpf
from dabench.observe.network import Observation

LINE = Layout((Channel("x"),), {"site": np.arange(5)}, dtype="float64")
PLAIN = {"rtps": 0.0, "rotation": False}
EPS = np.finfo(float).eps


def weights(hx, y, precision):
    """Normalised exp(-½ (y - h(x))ᵀ R⁻¹ (y - h(x)))."""
    log_p = -0.5 * ((y - hx) ** 2 * precision).sum(1)
    w = np.exp(log_p - log_p.max())
    return w / w.sum()


def assert_weighted_moments(analysis, x, w, misfit):
    """The mean and the covariance (over n) of members are those of weighted particles.

    Arguments:
        misfit: Largest -2 log p(y | x): its rounding is the relative error of a weight.
    """
    error = 64 * EPS * (misfit + len(x)) * np.abs(x).max()
    np.testing.assert_allclose(analysis.mean(0), w @ x, rtol=0, atol=error)
    covariance = np.cov(x, rowvar=False, aweights=w, ddof=0)
    error *= 8 * np.abs(x).max()
    np.testing.assert_allclose(np.cov(analysis, rowvar=False, ddof=0), covariance, 0, error)


@pytest.mark.parametrize("members", [3, 40])
def test_the_transform_has_the_weighted_mean_and_covariance(members):
    rng = np.random.default_rng(members)
    x, w = rng.normal(size=(members, 4)), rng.dirichlet(np.ones(members))
    A = jnp.asarray((x - x.mean(0)).T)
    assert_weighted_moments(np.asarray(second_order(A, jnp.asarray(w))).T, A.T, w, 0)


def test_equal_weights_change_nothing(key):
    A = jax.random.normal(key, (4, 12))
    A = A - A.mean(1, keepdims=True)
    even = second_order(A, jnp.full(12, 1 / 12))
    np.testing.assert_allclose(even, A, rtol=0, atol=64 * EPS)


def line(std, members, seed=0, **settings):
    """Analysis of five sites, three of which are observed, and x, h(x), y."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(members, 5)), rng.normal(size=3)
    method = lpf(Problem(Still(LINE), sites(5, 2, std), x), **PLAIN, **settings)
    obs = Observation(jnp.asarray(0.0), jnp.asarray(y))
    ens, _ = jax.jit(method.step)(jax.random.key(0), method.init(jnp.asarray(x)), obs)
    return np.asarray(ens.x), x, x[:, ::2], y


@pytest.mark.parametrize("members", [6, 40])
def test_without_taper_it_has_the_moments_of_the_bootstrap_filter(members):
    """Where observations are vague nothing is tempered."""
    analysis, x, hx, y = line(2.0, members)
    w = weights(hx, y, 1 / 2.0**2)
    assert 1 / (w**2).sum() > 0.2 * members
    assert_weighted_moments(analysis, x, w, 10)


@pytest.mark.parametrize("least", [0.3, 0.6])
def test_precise_observations_leave_the_least_effective_sample_size(least):
    """Six weights that sum to one follow from the means of five variables."""
    analysis, x, hx, y = line(0.01, 6, least_ess=least)
    assert 1 / (weights(hx, y, 1e4) ** 2).sum() < 1.1
    w = np.linalg.solve(np.vstack([x.T, np.ones(6)]), np.append(analysis.mean(0), 1))
    assert 6 * least * (1 - 1e-9) < 1 / (w**2).sum() < 6 * least * 1.05 * (1 + 1e-9)


@pytest.mark.parametrize("route", ["pairs", "rows", "levels"])
def test_at_every_point_weights_are_of_the_tapered_likelihood(route):
    problem, x, obs = sphere(members=12)
    layout, network = problem.model.layout, problem.network
    # An effective sample size cannot be below 0.05 * 12, so nothing is tempered.
    method = lpf(problem, length_scale_km=1500.0, least_ess=0.05, route=route, **PLAIN)
    ens, _ = jax.jit(method.step)(jax.random.key(0), method.init(x), obs)
    plan = make_plan(layout, network.table, localisation(layout, 1500.0, None, 0.5))
    hx, y = np.asarray(jax.vmap(network.h)(x)), np.asarray(obs.y)
    prior, analysis = (np.asarray(layout.unflatten(v)) for v in (x, ens.x))
    for point in (0, 17, 41, 83):
        across = plan.taper.horizontal(plan.position[[point]], plan.location)[0]
        for level in range(len(plan.levels)):
            rho = np.asarray(across[plan.obs_location] * plan.vertical[level, plan.obs_level])
            here = (slice(None), slice(None), plan.channel_level == level, point)
            local, after = (v[here].reshape(len(x), -1) for v in (prior, analysis))
            misfit = ((y - hx) ** 2 * rho / network.var).sum(1).max()
            assert_weighted_moments(after, local, weights(hx, y, rho / network.var), misfit)
    assert abs(ens.x - x).max() > 0.3


def test_observations_without_information_change_nothing(key):
    problem, x, obs = sphere(std=1e9)
    method, other = lpf(problem, **PLAIN), free(problem)
    ens, _ = jax.jit(method.step)(key, method.init(x), obs)
    expected = jax.jit(other.step)(key, other.init(x), obs)[0].x
    np.testing.assert_allclose(ens.x, expected, rtol=1e-12)


def test_errors_on_a_gaussian_problem_are_those_of_importance_sampling():
    """One analysis of N(0, 1) by y = 1 with R = 1, whose posterior q is N(1/2, 1/2).

    Self-normalised weights give E[f] with variance E[(q / p)² (f - E f)²] / n, p the prior; this is
    what the mean (f = z) and the variance (f = (z - 1/2)²) of the analysis must have.
    """
    layout = Layout((Channel("x"),), {"site": np.arange(1)}, dtype="float64")
    method = lpf(Problem(Still(layout), sites(1), jnp.zeros((2, 1))), **PLAIN)
    obs, members, repeats = Observation(jnp.asarray(0.0), jnp.ones(1)), 400, 400

    def errors(key):
        x = jax.random.normal(key, (members, 1))
        analysis = method.step(key, method.init(x), obs)[0].x
        return analysis.mean() - 0.5, analysis.var() - 0.5

    keys = jax.random.split(jax.random.key(1), repeats)
    results = optimised.jit(lambda keys: jax.lax.map(errors, keys))(keys)
    z, step = np.linspace(-12, 12, 20001, retstep=True)
    p, q = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi), np.exp(-((z - 0.5) ** 2)) / np.sqrt(np.pi)
    for error, f in zip(results, (z - 0.5, (z - 0.5) ** 2 - 0.5), strict=True):
        variance = (q**2 / p * f**2).sum() * step / members
        # The mean of 400 squares has a relative error of √(2 / 400); terms of order 1 / n and a
        # kurtosis that is a little above the normal one are covered by another √(1 / 400).
        ratio = (error**2).mean() / variance
        assert abs(ratio - 1) < 4 * np.sqrt(2 / repeats) + np.sqrt(1 / repeats)


def test_float32_states_stay_float32():
    problem, x, obs = sphere(dtype="float32")
    method = lpf(problem)
    after, _ = jax.eval_shape(method.step, jax.random.key(0), method.init(x), obs)
    assert after.x.dtype == jnp.float32
