"""Block means, correlated errors and gaps, all at once: exact methods are so for them together."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from dabench.core.layout import Channel, Layout
from dabench.diffusion.guidance import GuidanceSettings
from dabench.diffusion.model import Sampler
from dabench.filters import enkf as enkf_module
from dabench.filters.base import Problem
from dabench.filters.bootstrap import bootstrap
from dabench.filters.enkf import enkf
from dabench.filters.fa_apf import fa_apf
from dabench.filters.guided import guided
from dabench.filters.kalman import kalman
from dabench.filters.letkf import letkf
from dabench.filters.whitened import whitened
from dabench.observe.network import Observation, build
from dabench.observe.swaths import EARTH_RADIUS_KM
from dabench.scenario.scenario import Group
from dabench.systems.toys.linear_gaussian import linear_gaussian

WHOLE = {"rtps": 0.0, "length_scale_km": None, "vertical_scale": None}
"""Settings of an ensemble transform without taper."""
POINTS, MEMBERS, LENGTH, SHARE = 16, 24, 4000.0, 0.8
GRID = Layout(
    (Channel("temperature", "K"),),
    {"latitude": np.array([-60.0, -20, 20, 60]), "longitude": np.arange(0, 360, 90.0)},
    dtype="float64",
)
GROUPS = [
    {
        "name": "areas",
        "locations": {"blocks": 2},
        "error_std": 0.4,
        "correlation": {"length_km": LENGTH, "share": SHARE},
    },
    {"name": "points", "locations": {"every": 1}, "error_std": 0.7, "availability": {"share": 0.5}},
]


def covariance(table) -> np.ndarray:
    """R from the definition: Gaussians of the chord between areas, nothing between points."""
    angles = np.radians([table["latitude"], table["longitude"]])
    (lat, lon), correlated = angles, table["group"].to_numpy() == "areas"
    place = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    chord = EARTH_RADIUS_KM * np.linalg.norm(place[:, None] - place, axis=-1)
    C = np.where(np.outer(correlated, correlated), SHARE * np.exp(-((chord / LENGTH) ** 2) / 2), 0)
    np.fill_diagonal(C, 1)
    return C * np.outer(table["error_std"], table["error_std"])


class Case(NamedTuple):
    """One cycle of the system, and the matrices of its forecast and of the values that are there.

    Arguments:
        problem: What methods are given.
        x: Members before the cycle (member, point).
        obs: All values, gaps among them.
        y: Those that are there (value,).
        A: Forecast without noise (point, point).
        Q: Covariance of its noise (point, point).
        H: Observation operator (value, point).
        R: Covariance of the errors (value, value).
    """

    problem: Problem
    x: np.ndarray
    obs: Observation
    y: np.ndarray
    A: np.ndarray
    Q: np.ndarray
    H: np.ndarray
    R: np.ndarray

    def updated(self, mean, P):
        """Kalman's mean and covariance after the update."""
        K = self.gain(P)
        return mean + K @ (self.y - self.H @ mean), P - K @ self.H @ P

    def gain(self, P):
        """Kalman's gain for a covariance before the update."""
        return np.linalg.solve(self.H @ P @ self.H.T + self.R, self.H @ P).T

    def step(self, make: Callable[..., Any]):
        """A compiled cycle of a method, from a key to what it carries on and its diagnostics."""
        method = whitened(make, self.problem)
        return jax.jit(lambda key: method.step(key, method.init(jnp.asarray(self.x)), self.obs))


@pytest.fixture(scope="module")
def case():
    system = linear_gaussian(size=POINTS)
    model: Any = replace(system.model, layout=GRID)
    network = build([Group.model_validate(group) for group in GROUPS], GRID)
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(MEMBERS, POINTS)), 5 * rng.normal(size=network.size)
    there = np.append(np.ones(4, bool), rng.uniform(size=POINTS) < 0.5)
    obs = Observation(jnp.zeros(()), jnp.asarray(np.where(there, y, np.nan)), jnp.asarray(there))
    A, H = (
        np.asarray(jax.jit(jax.jacobian(f))(jnp.zeros(POINTS))) for f in (model.step, network.h)
    )
    H, R = H[there], covariance(network.table)[np.ix_(there, there)]
    assert abs(R - np.diag(np.diag(R))).max() > 0.01
    assert ((H > 0).sum(1) == [4] * 4 + [1] * (there.sum() - 4)).all()
    problem = Problem(model, network, jnp.asarray(system.climate))
    return Case(problem, x, obs, y[there], A, model.model_cov, H, R)


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


def test_particles_are_weighted_by_their_likelihood(case, key):
    _, info = case.step(bootstrap)(key)
    density = multivariate_normal(np.zeros(len(case.R)), case.R)
    log_p = density.logpdf(case.y - np.asarray(info["background"]) @ case.H.T)
    expected = log_p - np.logaddexp.reduce(log_p)
    np.testing.assert_allclose(info["log_weights"], expected, rtol=1e-8, atol=1e-10)


def test_ancestors_are_weighted_by_the_evidence_of_their_forecasts(case, key):
    """p(y | x) of the fully adapted filter: Gaussian about h(A x), with H Q Hᵀ and R added."""
    sampler = Sampler(levels=2, sigma_max=1e6)  # where the denoiser is the mean to six digits
    _, info = case.step(partial(fa_apf, ess=None, weight="gaussian", sampler=sampler))(key)
    density = multivariate_normal(np.zeros(len(case.R)), case.H @ case.Q @ case.H.T + case.R)
    log_p = density.logpdf(case.y - case.x @ (case.H @ case.A).T)
    expected = log_p - np.logaddexp.reduce(log_p)
    np.testing.assert_allclose(info["log_weights"], expected, rtol=1e-4, atol=1e-4)


def test_guided_draws_have_the_mean_of_their_ancestors_posterior(case, key):
    exact = GuidanceSettings("cg", len(case.y))
    sampler, draws = Sampler("dpmpp_2m", levels=40, sigma_max=1e4), 32
    step = case.step(partial(guided, guidance=exact, sampler=sampler))
    x = jax.lax.map(lambda k: step(k)[0].x, jax.random.split(key, draws))
    forecast = case.x @ case.A.T
    mean = forecast + (case.y - forecast @ case.H.T) @ case.gain(case.Q).T
    P = case.Q - case.gain(case.Q) @ case.H @ case.Q
    away = (np.asarray(x) - mean).mean((0, 1)) / np.sqrt(np.diag(P))
    # A mean of independent draws, which start two deviations of the noise over 1e4 away.
    np.testing.assert_allclose(away, 0, atol=4.5 / np.sqrt(draws * MEMBERS) + 1e-3)
