"""One cycle of the linear-Gaussian system with block means, correlated errors and gaps."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
from dabench.filters.whitened import whitened
from dabench.observe.network import Observation, build
from dabench.observe.swaths import EARTH_RADIUS_KM
from dabench.scenario.scenario import Group
from dabench.systems.toys.linear_gaussian import linear_gaussian

WHOLE = {"rtps": 0.0, "length_scale_km": None, "vertical_scale": None}
"""Settings of an ensemble transform without taper."""
POINTS, MEMBERS, LENGTH, SHARE = 16, 24, 8000.0, 0.8
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

    def smoothed(self, x, now):
        """Mean and covariance of states x given y of the next cycle, for joint sample moments.

        Arguments:
            x: Members of some cycle (member, point).
            now: The same members before the cycle that y is of.
        """
        HA, n = self.H @ self.A, x.shape[1]
        C = np.cov(x.T, now.T)
        S = HA @ C[n:, n:] @ HA.T + self.H @ self.Q @ self.H.T + self.R
        K = np.linalg.solve(S, HA @ C[n:, :n]).T
        return x.mean(0) + K @ (self.y - HA @ now.mean(0)), C[:n, :n] - K @ HA @ C[n:, :n]

    def step(self, make: Callable[..., Any], jit: Callable[..., Any] = jax.jit):
        """A compiled cycle of a method, from a key to what it carries on and its diagnostics."""
        method = whitened(make, self.problem)
        return jit(lambda key: method.step(key, method.init(jnp.asarray(self.x)), self.obs))


def gappy(seed: int = 4) -> Case:
    """A case of areas, all of which are there, and points, about half of which are."""
    system = linear_gaussian(size=POINTS)
    model: Any = replace(system.model, layout=GRID)
    network = build([Group.model_validate(group) for group in GROUPS], GRID)
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(MEMBERS, POINTS)), 5 * rng.normal(size=network.size)
    there = np.append(np.ones(4, bool), rng.uniform(size=POINTS) < 0.5)
    obs = Observation(jnp.zeros(()), jnp.asarray(np.where(there, y, np.nan)), jnp.asarray(there))
    A, H = (
        np.asarray(jax.jit(jax.jacobian(f))(jnp.zeros(POINTS))) for f in (model.step, network.h)
    )
    H, R = H[there], covariance(network.table)[np.ix_(there, there)]
    assert abs(R - np.diag(np.diag(R))).max() > 0.4 * 0.4**2
    assert ((H > 0).sum(1) == [4] * 4 + [1] * (there.sum() - 4)).all()
    problem = Problem(model, network, jnp.asarray(system.climate))
    return Case(problem, x, obs, y[there], A, model.model_cov, H, R)
