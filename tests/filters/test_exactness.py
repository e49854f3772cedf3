"""Block means, correlated errors and gaps, all at once: exact methods are so for them together."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optimised
import pytest
from areas import MEMBERS, POINTS, WHOLE, gappy
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from dabench.diffusion.guidance import GuidanceSettings
from dabench.diffusion.model import Sampler
from dabench.filters import enkf as enkf_module
from dabench.filters.bootstrap import bootstrap
from dabench.filters.enkf import enkf
from dabench.filters.fa_apf import fa_apf
from dabench.filters.fa_enkf import fa_enkf
from dabench.filters.guided import guided
from dabench.filters.guided_window import Window, guided_window
from dabench.filters.kalman import kalman
from dabench.filters.letkf import letkf
from dabench.filters.lpf import lpf
from dabench.filters.whitened import whiten, whitened

FINE = Sampler("dpmpp_3m", 32, sigma_max=20.0, sigma_min=1e-4, rho=30.0, from_mean=True)
"""Steps so fine that variances of draws are right to some percent."""
COARSE = replace(FINE, levels=4, sigma_max=1e6)
"""For what levels do not matter to, and the mean of a forecast, from one evaluation, does."""


@pytest.fixture(scope="module")
def case():
    return gappy()


def solves(case) -> GuidanceSettings:
    """Guidance whose linear systems are solved exactly."""
    return GuidanceSettings("cg", len(case.y))


def test_the_kalman_filter_is_exact(case, key):
    exact, _ = case.step(kalman)(key)
    mean, P = case.updated(case.A @ case.x.mean(0), case.A @ np.cov(case.x.T) @ case.A.T + case.Q)
    np.testing.assert_allclose(exact.mean, mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(exact.cov, P, rtol=1e-8, atol=1e-10)


def test_an_ensemble_transform_without_taper_has_kalmans_moments(case, key):
    transform, info = case.step(partial(letkf, **WHOLE))(key)
    prior = np.asarray(info["background"])
    mean, P = case.updated(prior.mean(0), np.cov(prior.T))
    np.testing.assert_allclose(transform.x.mean(0), mean, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(np.cov(transform.x.T), P, rtol=1e-7, atol=1e-9)


def test_every_member_of_an_enkf_without_taper_is_moved_by_kalmans_gain(case, key, monkeypatch):
    """With the perturbations of the observations left out."""
    monkeypatch.setattr(enkf_module, "perturbations", lambda key, n, size: jnp.zeros((n, size)))
    carry, info = case.step(partial(enkf, **WHOLE))(key)
    prior = np.asarray(info["background"])
    moves = (case.y - prior @ case.H.T) @ case.gain(np.cov(prior.T)).T
    np.testing.assert_allclose(carry.x, prior + moves, rtol=1e-7, atol=1e-9)


def test_observations_of_the_enkf_are_perturbed_with_their_covariance(case, key):
    """ε of every member from how it moves, x - x' = K (y + ε - H x'), K of full column rank."""
    step, repeats = case.step(partial(enkf, **WHOLE)), 100
    carry, info = optimised.jit(jax.vmap(step))(jax.random.split(key, repeats))
    rows = []
    for x, prior in zip(np.asarray(carry.x), np.asarray(info["background"]), strict=True):
        K = case.gain(np.cov(prior.T))
        e = np.linalg.lstsq(K, (x - prior).T, rcond=None)[0].T - (case.y - prior @ case.H.T)
        np.testing.assert_allclose(e.mean(0), 0, atol=1e-7)  # their sample mean is removed
        rows.append(e)
    rows, degrees = np.concatenate(rows), repeats * (MEMBERS - 1)
    assert_covariance(rows, case.R, degrees)
    with pytest.raises(AssertionError):
        assert_covariance(rows, np.diag(np.diag(case.R)), degrees)


def assert_covariance(rows, C, degrees):
    """Sums of squares and products of rows from N(0, C), at 4.5 deviations of a Wishart law.

    Those of L⁻¹ times the rows, C = L Lᵀ, over the degrees of freedom have the identity's entries
    for means, with variances of 2 on the diagonal and 1 beside it, over the degrees of freedom.
    """
    white = np.linalg.solve(np.linalg.cholesky(C), np.asarray(rows).T)
    one = np.eye(len(C))
    deviations = (white @ white.T / degrees - one) / np.sqrt((one + 1) / degrees)
    np.testing.assert_allclose(deviations, 0, atol=4.5)


def test_particles_are_weighted_by_their_likelihood(case, key):
    _, info = case.step(bootstrap)(key)
    density = multivariate_normal(np.zeros(len(case.R)), case.R)
    log_p = density.logpdf(case.y - np.asarray(info["background"]) @ case.H.T)
    expected = log_p - np.logaddexp.reduce(log_p)
    np.testing.assert_allclose(info["log_weights"], expected, rtol=1e-8, atol=1e-10)


def test_a_local_particle_filter_without_taper_has_the_moments_of_weighted_particles(case, key):
    """With observations so near to the forecast that weights are not on one member alone."""
    case = case._replace(y=case.y / 10, obs=case.obs._replace(y=case.obs.y / 10))
    carry, info = case.step(partial(lpf, **WHOLE, rotation=False, least_ess=1e-3))(key)
    prior = np.asarray(info["background"])
    log_p = multivariate_normal(np.zeros(len(case.R)), case.R).logpdf(case.y - prior @ case.H.T)
    w = np.exp(log_p - np.logaddexp.reduce(log_p))
    assert w.max() < 0.7
    np.testing.assert_allclose(carry.x.mean(0), w @ prior, rtol=1e-8, atol=1e-10)
    expected = np.cov(prior.T, aweights=w, ddof=0)
    np.testing.assert_allclose(np.cov(carry.x.T, ddof=0), expected, rtol=1e-8, atol=1e-10)


def test_ancestors_are_weighted_by_the_evidence_of_their_forecasts(case, key):
    """p(y | x) of the fully adapted filter: Gaussian about h(A x), with H Q Hᵀ and R added."""
    sampler = Sampler(levels=2, sigma_max=1e6)  # where the denoiser is the mean to six digits
    _, info = case.step(partial(fa_apf, ess=None, weight="gaussian", sampler=sampler))(key)
    density = multivariate_normal(np.zeros(len(case.R)), case.H @ case.Q @ case.H.T + case.R)
    log_p = density.logpdf(case.y - case.x @ (case.H @ case.A).T)
    expected = log_p - np.logaddexp.reduce(log_p)
    np.testing.assert_allclose(info["log_weights"], expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def guided_draws(case):
    """Draws from the states of the case, a hundred of each, and their exact moments."""
    many, forecast = case._replace(x=np.tile(case.x, (100, 1))), case.x @ case.A.T
    step = many.step(partial(guided, guidance=solves(case), sampler=FINE), optimised.jit)
    x = np.asarray(step(jax.random.key(1))[0].x).reshape(100, MEMBERS, POINTS)
    K = case.gain(case.Q)
    return x, forecast + (case.y - forecast @ case.H.T) @ K.T, case.Q - K @ case.H @ case.Q


def test_guided_draws_have_the_mean_of_their_ancestors_posterior(guided_draws):
    x, mean, P = guided_draws
    away = (x - mean).mean((0, 1)) / np.sqrt(np.diag(P))
    np.testing.assert_allclose(away, 0, atol=4.5 / np.sqrt(100 * MEMBERS))


def test_guided_draws_have_the_covariance_of_their_ancestors_posterior(guided_draws):
    x, mean, P = guided_draws
    assert_covariance((x - mean).reshape(-1, POINTS), P, 100 * MEMBERS)


def test_ancestors_are_moved_to_kalmans_moments_given_the_next_observations(case, key):
    """With the same keys the FA-EnKF's draws are those of `guided` from ancestors x + d.

    The draws of a linear system are F x and noise, F = (I - K H) A, and so their difference is F d.
    """
    apart = case.step(
        partial(fa_enkf, **WHOLE, covariance="dense", guidance=solves(case), sampler=COARSE)
    )(key)[0].x
    same = case.step(partial(guided, guidance=solves(case), sampler=COARSE))(key)[0].x
    F = case.A - case.gain(case.Q) @ case.H @ case.A
    moved = np.asarray(apart - same) + case.x @ F.T
    mean, P = case.smoothed(case.x, case.x)
    # The mean of a forecast is that of pure noise, denoised at 1e6: off by 1e-6 of a deviation,
    # which departures of ten deviations and the gain of 23 directions take to no more than 1e-4.
    np.testing.assert_allclose(moved.mean(0), F @ mean, atol=1e-4)
    np.testing.assert_allclose(np.cov(moved.T), F @ P @ F.T, atol=1e-4)
    # Together with the draws of `guided` these are Kalman's moments of the forecast x' = A x + q.
    forecast = case.A @ case.x.mean(0), case.A @ np.cov(case.x.T) @ case.A.T + case.Q
    exact, cov = case.updated(*forecast)
    K = case.gain(case.Q)
    np.testing.assert_allclose(F @ mean + K @ case.y, exact, rtol=1e-9)
    np.testing.assert_allclose(F @ P @ F.T + case.Q - K @ case.H @ case.Q, cov, atol=1e-9)


class Pair:
    """The case after another one with gaps elsewhere, for a window of both.

    Attributes:
        F: Share of the first state in the second given its observations, F = (I - K H) A.
        F_1: Share of a state before both in the first, given the observations of both.
    """

    def __init__(self, case):
        self.now, self.earlier = case, gappy(5)
        self.K = case.gain(case.Q)
        self.F = case.A - self.K @ case.H @ case.A
        self.H = np.concatenate([self.earlier.H, case.H @ case.A])
        S = case.H @ case.Q @ case.H.T + case.R
        R = block_diag(self.earlier.R, S)
        self.K_1 = np.linalg.solve(self.H @ case.Q @ self.H.T + R, self.H @ case.Q).T
        self.F_1 = case.A - self.K_1 @ self.H @ case.A

    def step(self, ancestors, before, x, sampler, jit=jax.jit):
        """Draws of the second state from states before both, and x of the first cycle."""
        network, obs = self.now.problem.network, self.earlier.obs
        settings = {**WHOLE, "covariance": "dense", "guidance": GuidanceSettings("cg", POINTS + 1)}
        make = partial(guided_window, **settings, ancestors=ancestors, sampler=sampler)
        method = whitened(make, self.now.problem)
        there = jnp.ones((), bool)
        y = whiten(network, obs.y)
        carry = Window(jnp.asarray(x), jnp.asarray(before), obs.time, y, obs.present, there)
        return np.asarray(jit(method.step)(jax.random.key(2), carry, self.now.obs)[0].x)


def test_a_guided_window_draws_from_the_posterior_of_both_cycles(case):
    pair = Pair(case)
    before = np.tile(case.x, (25, 1))
    x = pair.step("kept", before, before, FINE, optimised.jit).reshape(25, MEMBERS, POINTS)
    forecast, y = case.x @ case.A.T, np.concatenate([pair.earlier.y, case.y])
    first = forecast + (y - forecast @ pair.H.T) @ pair.K_1.T
    mean = first @ pair.F.T + pair.K @ case.y
    P_1 = case.Q - pair.K_1 @ pair.H @ case.Q
    P = pair.F @ P_1 @ pair.F.T + case.Q - pair.K @ case.H @ case.Q
    away = (x - mean).mean((0, 1)) / np.sqrt(np.diag(P))
    np.testing.assert_allclose(away, 0, atol=4.5 / np.sqrt(25 * MEMBERS))
    assert_covariance((x - mean).reshape(-1, POINTS), P, 25 * MEMBERS)


def test_a_guided_windows_ancestors_are_moved_by_what_their_descendants_forecast(case):
    """From the difference to draws whose ancestors are not moved, as for the FA-EnKF."""
    pair = Pair(case)
    before, x = case.x, pair.earlier.x + case.x
    moved, same = (pair.step(how, before, x, COARSE) for how in ("moved", "kept"))
    F = pair.F @ pair.F_1
    moved = moved - same + before @ F.T
    mean, P = case.smoothed(before, x)
    np.testing.assert_allclose(moved.mean(0), F @ mean, atol=1e-4)
    np.testing.assert_allclose(np.cov(moved.T), F @ P @ F.T, atol=1e-4)
