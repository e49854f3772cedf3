"""Block means, correlated errors and gaps, all at once: exact methods are so for them together."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
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


def test_exact_methods_stay_exact_for_block_means_with_correlated_errors_among_gaps():
    system = linear_gaussian(size=POINTS)
    model = replace(system.model, layout=GRID)
    network = build([Group.model_validate(group) for group in GROUPS], GRID)
    problem = Problem(model, network, jnp.asarray(system.climate))
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(MEMBERS, POINTS)), rng.normal(size=network.size)
    there = np.append(np.ones(4, bool), rng.uniform(size=POINTS) < 0.5)
    obs = Observation(jnp.zeros(()), jnp.asarray(np.where(there, y, np.nan)), jnp.asarray(there))
    methods = [whitened(make, problem) for make in (kalman, partial(letkf, **WHOLE))]

    @jax.jit
    def both(x):
        steps = [method.step(jax.random.key(0), method.init(x), obs) for method in methods]
        linear = jax.jacobian(network.h)(x[0]), jax.jacobian(model.step)(x[0])
        return *steps, *linear

    (exact, _), (transform, info), H, A = both(jnp.asarray(x))
    H, R = np.asarray(H)[there], covariance(network.table)[np.ix_(there, there)]
    assert abs(R - np.diag(np.diag(R))).max() > 0.01
    assert ((H > 0).sum(1) == [4] * 4 + [1] * (there.sum() - 4)).all()

    def updated(mean, P):
        K = np.linalg.solve(H @ P @ H.T + R, H @ P).T
        return mean + K @ (y[there] - H @ mean), P - K @ H @ P

    mean, P = updated(A @ x.mean(0), A @ np.cov(x.T) @ A.T + model.model_cov)
    np.testing.assert_allclose(exact.mean, mean, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(exact.cov, P, rtol=1e-8, atol=1e-10)
    prior = np.asarray(info["background"])
    mean, P = updated(prior.mean(0), np.cov(prior.T))
    np.testing.assert_allclose(transform.x.mean(0), mean, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(np.cov(transform.x.T), P, rtol=1e-7, atol=1e-9)
