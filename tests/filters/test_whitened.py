"""Correlated errors: methods see combinations with independent ones, and nothing is lost."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from dabench.core.errors import UserError
from dabench.diffusion.guidance import GuidanceSettings
from dabench.filters.base import Ensemble, Filter, Problem
from dabench.filters.bootstrap import bootstrap
from dabench.filters.fa_enkf import fa_enkf
from dabench.filters.forecast import background
from dabench.filters.guided import guided
from dabench.filters.insertion import insertion
from dabench.filters.kalman import kalman
from dabench.filters.letkf import letkf
from dabench.filters.whitened import white, whiten, whitened
from dabench.observe.errors import correlate
from dabench.observe.network import Observation, build
from dabench.scenario.scenario import Group
from dabench.systems.toys.linear_gaussian import linear_gaussian

SIZE, MEMBERS = 6, 8
SYSTEM = linear_gaussian(size=SIZE)
GROUPS = [
    {"name": "a", "error_std": 0.4, "correlation": {"length_sites": 1.5}},
    {"name": "b", "error_std": 0.7, "locations": {"every": 2}},
]
NETWORK = build([Group.model_validate(g) for g in GROUPS], SYSTEM.layout)
PROBLEM = Problem(SYSTEM.model, NETWORK, jnp.asarray(SYSTEM.climate))
Y = np.linspace(-1, 1, NETWORK.size)


@cache
def matrices() -> tuple[np.ndarray, np.ndarray]:
    """H and R, as the network has them."""
    factor, H = jax.jit(
        lambda: (
            correlate(NETWORK.correlated, jnp.eye(NETWORK.size)),
            jax.jacobian(NETWORK.h)(jnp.zeros(SIZE)),
        )
    )()
    L = np.asarray(factor).T
    return np.asarray(H), np.outer(NETWORK.error_std, NETWORK.error_std) * (L @ L.T)


def members() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(MEMBERS, SIZE))


def analysed(make):
    """Carry and diagnostics of one step from the members."""
    method = whitened(make, PROBLEM)
    obs = Observation(jnp.zeros(()), jnp.asarray(Y))
    step = jax.jit(lambda x: method.step(jax.random.key(0), method.init(x), obs))
    return step(jnp.asarray(members()))


def test_combinations_carry_all_the_information():
    H, R = matrices()
    network = white(NETWORK)
    W = np.asarray(jax.jacobian(network.h)(jnp.zeros(SIZE)))
    np.testing.assert_allclose(W.T @ W, H.T @ np.linalg.solve(R, H), rtol=1e-9)
    y = np.asarray(whiten(NETWORK, jnp.asarray(Y)))
    np.testing.assert_allclose(W.T @ y, H.T @ np.linalg.solve(R, Y), rtol=1e-9)
    np.testing.assert_array_equal(network.error_std, 1)


def test_the_kalman_filter_is_exact_and_reports_in_the_units_of_the_observations():
    H, R = matrices()
    carry, info = analysed(kalman)
    model: Any = SYSTEM.model
    A = np.asarray(jax.jacobian(model.step)(jnp.zeros(SIZE)))
    mean, P = A @ members().mean(0), A @ np.cov(members().T) @ A.T + model.model_cov
    S = H @ P @ H.T + R
    K = np.linalg.solve(S, H @ P).T
    np.testing.assert_allclose(carry.mean, mean + K @ (Y - H @ mean), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(carry.cov, P - K @ S @ K.T, rtol=1e-8, atol=1e-10)
    hx = np.asarray(info["background"]) @ H.T
    np.testing.assert_allclose(info["background_obs"], hx.mean(0), rtol=1e-9)
    np.testing.assert_allclose(info["background_var"], hx.var(0, ddof=1), rtol=1e-9)


def test_the_likelihood_of_particles_is_exact():
    H, R = matrices()
    _, info = analysed(bootstrap)
    density = multivariate_normal(np.zeros(len(R)), R)
    log_p = density.logpdf(Y - np.asarray(info["background"]) @ H.T)
    expected = log_p - np.logaddexp.reduce(log_p)
    np.testing.assert_allclose(info["log_weights"], expected, rtol=1e-8, atol=1e-10)


def test_an_ensemble_transform_without_taper_has_kalmans_moments():
    H, R = matrices()
    carry, info = analysed(partial(letkf, rtps=0.0))
    x = np.asarray(info["background"])
    P, mean = np.cov(x.T), x.mean(0)
    S = H @ P @ H.T + R
    K = np.linalg.solve(S, H @ P).T
    np.testing.assert_allclose(carry.x.mean(0), mean + K @ (Y - H @ mean), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(np.cov(carry.x.T), P - K @ S @ K.T, rtol=1e-7, atol=1e-9)


def test_a_mean_is_reported_as_observed_where_members_are_not_reported():
    H, _ = matrices()

    def mean_alone(problem):
        def step(key, ens, obs):
            info = background(jax.vmap(problem.network.h)(ens.x), ens.x)
            return ens, {k: v for k, v in info.items() if k != "background"}

        return Filter(Ensemble, step)

    _, info = analysed(mean_alone)
    assert "background_var" not in info
    np.testing.assert_allclose(info["background_obs"], H @ members().mean(0), rtol=1e-9, atol=1e-12)


def test_what_a_method_cannot_use_is_an_error_before_the_run():
    with pytest.raises(UserError, match="needs independent errors"):
        whitened(insertion, PROBLEM)
    climate = GuidanceSettings(units="climate")
    for make in (guided, fa_enkf):
        with pytest.raises(UserError, match="units: climate needs independent errors"):
            whitened(partial(make, guidance=climate), PROBLEM)
