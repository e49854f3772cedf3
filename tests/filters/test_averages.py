"""Vertical averages are linear: methods that are exact for a linear h are so for them."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
from dabench.filters.kalman import kalman
from dabench.filters.letkf import letkf
from dabench.observe.network import Observation, build
from dabench.scenario.scenario import Group
from dabench.systems.toys.linear_gaussian import linear_gaussian

LEVELS = (200.0, 400.0, 700.0, 900.0)
WEIGHTS = [{200.0: 1.0, 400.0: 3.0}, {400.0: 0.2, 700.0: 0.5, 900.0: 0.3}]
H = np.array([[0.25, 0.75, 0, 0], [0, 0.2, 0.5, 0.3]])
STD, Y, MEMBERS = 0.4, np.array([0.7, -1.1]), 8


def problem() -> Problem:
    """The linear-Gaussian system as four levels at one place, seen by two channels."""
    system = linear_gaussian(size=4)
    column = tuple(Channel("temperature", "K", level) for level in LEVELS)
    layout = Layout(column, {"site": np.arange(1)}, dtype="float64")
    groups = [
        Group(name=f"channel{i}", variables=("temperature",), average=weights, error_std=STD)
        for i, weights in enumerate(WEIGHTS)
    ]
    model = replace(system.model, layout=layout)
    return Problem(model, build(groups, layout), jnp.asarray(system.climate))


def analysed(make):
    """Members before a step, and carry and diagnostics after it."""
    method, x = make(problem()), np.random.default_rng(1).normal(size=(MEMBERS, 4))
    obs = Observation(jnp.zeros(()), jnp.asarray(Y))
    return x, *jax.jit(lambda x: method.step(jax.random.key(0), method.init(x), obs))(x)


def updated(mean, P):
    """Kalman's mean and covariance after the update."""
    K = np.linalg.solve(H @ P @ H.T + STD**2 * np.eye(2), H @ P).T
    return mean + K @ (Y - H @ mean), P - K @ H @ P


def test_the_kalman_filter_is_exact():
    x, carry, _ = analysed(kalman)
    model = problem().model
    A = np.asarray(jax.jacobian(model.step)(jnp.zeros(4)))
    mean, P = updated(A @ x.mean(0), A @ np.cov(x.T) @ A.T + model.model_cov)
    np.testing.assert_allclose(carry.mean, mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(carry.cov, P, rtol=1e-8, atol=1e-10)


def test_an_ensemble_transform_without_taper_has_kalmans_moments():
    _, carry, info = analysed(partial(letkf, rtps=0.0, vertical_scale=None))
    prior = np.asarray(info["background"])
    mean, P = updated(prior.mean(0), np.cov(prior.T))
    np.testing.assert_allclose(carry.x.mean(0), mean, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(np.cov(carry.x.T), P, rtol=1e-7, atol=1e-9)
