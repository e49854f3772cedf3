"""The stochastic EnKF against the textbook formulas and, on linear systems, Kalman's moments."""

import jax
import jax.numpy as jnp
import numpy as np
import optimised
import pytest
from linear import matrices
from twins import Still, distances, free, sites, sphere

from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem, split_key
from dabench.filters.enkf import enkf
from dabench.filters.letkf import letkf
from dabench.filters.local.moments import perturbations
from dabench.filters.local.taper import gaspari_cohn, half_width
from dabench.observe.network import Observation
from dabench.systems.toys.linear_gaussian import linear_gaussian

LINE = Layout((Channel("x"),), {"site": np.arange(5)}, dtype="float64")


def analysis_noise(key, members, network):
    """The perturbations that the filter draws from the key of a cycle."""
    noise = perturbations(split_key(key, members)[1], members, network.size)
    return np.asarray(noise) * network.error_std


def test_perturbations_have_no_mean_and_unit_variance(key):
    e = perturbations(key, 50, 2000)
    np.testing.assert_allclose(e.mean(0), 0, atol=1e-14)
    # ddof=1 variances of 2000 samples of 50: relative error sqrt(2 / 49 / 2000)
    np.testing.assert_allclose(e.var(0, ddof=1).mean(), 1, atol=4 * np.sqrt(2 / 49 / 2000))


@pytest.mark.parametrize("r_inflation", [1.0, 4.0])
def test_without_taper_it_is_burgers_update(key, r_inflation):
    """R is that of the network times the factor that is assumed, in K and in perturbations."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 5)), rng.normal(size=3)
    std = 0.7 * np.sqrt(r_inflation)
    problem = Problem(Still(LINE), sites(5, 2, 0.7), x)
    method = enkf(problem, rtps=0.0, r_inflation=r_inflation)
    ens, _ = jax.jit(method.step)(
        key, method.init(jnp.asarray(x)), Observation(jnp.zeros(()), jnp.asarray(y))
    )
    H, B = np.eye(5)[::2], np.cov(x, rowvar=False)
    K = B @ H.T @ np.linalg.inv(H @ B @ H.T + std**2 * np.eye(3))
    expected = x + (y + analysis_noise(key, 7, sites(5, 2, std)) - x @ H.T) @ K.T
    np.testing.assert_allclose(ens.x, expected, rtol=1e-10, atol=1e-12)
    mean = x.mean(0) + K @ (y - H @ x.mean(0))
    np.testing.assert_allclose(ens.x.mean(0), mean, rtol=1e-10)


def serial(x, y, network, layout, batches, scale, vertical):
    """The localised update with the whole gain, for one batch of observations after the other."""
    near, apart = distances(layout, network.table)
    to_state = gaspari_cohn(near, half_width(scale)) * 1.0
    up = np.asarray(gaspari_cohn(apart, half_width(vertical)))
    rho = np.tile((up[:, None] * np.asarray(to_state)[None]).reshape(-1, network.size), (2, 1))
    h = jax.vmap(network.h)
    # which row of the state an observation is: its taper with others is that row's
    own = np.asarray(h(jnp.arange(layout.size, dtype=float)[None])[0]).astype(int)
    x, hx, n = np.array(x), np.array(h(x)), len(x)
    for b in batches:
        X, Y = x - x.mean(0), hx - hx.mean(0)
        S = rho[own[b]][:, b] * (Y[:, b].T @ Y[:, b]) + (n - 1) * np.diag(network.var[b])
        V = np.linalg.solve(S, (y - hx)[:, b].T)
        x = x + ((rho[:, b] * (X.T @ Y[:, b])) @ V).T
        hx = hx + ((rho[own][:, b] * (Y.T @ Y[:, b])) @ V).T
    return x


@pytest.mark.parametrize("batch_size", [10**4, 40])
def test_on_the_sphere_it_is_the_localised_gain(key, batch_size):
    problem, x, obs = sphere(count=60)
    layout, network = problem.model.layout, problem.network
    settings = {"length_scale_km": 1500.0, "vertical_scale": 0.5, "rtps": 0.0}
    method = enkf(problem, batch_size=batch_size, **settings)
    ens, _ = jax.jit(method.step)(key, method.init(x), obs)
    # batches are of as many locations as give batch_size with all slots and levels full
    place = network.table.groupby(["latitude", "longitude"]).ngroup().to_numpy()
    cells = network.table.assign(place=place, level=network.table["level"].fillna(0))
    slots = cells.groupby(["place", "level"]).size().max()
    size = max(1, batch_size // (slots * cells["level"].nunique()))
    batches = [np.flatnonzero(place // size == i) for i in range(place.max() // size + 1)]
    assert (len(batches) > 1) == (batch_size == 40)
    y = np.asarray(obs.y) + analysis_noise(key, len(x), network)
    expected = serial(x, y, network, layout, batches, 1500.0, 0.5)
    np.testing.assert_allclose(ens.x, expected, atol=1e-5)  # cosines near 1 cost half the digits
    assert abs(ens.x - x).max() > 0.3


def test_observations_without_information_change_nothing(key):
    problem, x, obs = sphere(std=1e9)
    method, other = enkf(problem), free(problem)
    ens, _ = jax.jit(method.step)(key, method.init(x), obs)
    np.testing.assert_allclose(ens.x, jax.jit(other.step)(key, other.init(x), obs)[0].x, atol=1e-6)


def kalman(system, network, ys, mean, cov):
    """Posterior means and covariances, one a cycle."""
    A, Q, H = *matrices(system)[:2], np.eye(len(mean))[network.table["site"]]
    for y in ys:
        mean, cov = A @ mean, A @ cov @ A.T + Q
        K = cov @ H.T @ np.linalg.inv(H @ cov @ H.T + np.diag(network.var))
        mean, cov = mean + K @ (y - H @ mean), cov - K @ H @ cov
    return mean, cov


@pytest.mark.parametrize("method", [enkf, letkf])
def test_error_against_kalman_falls_as_the_root_of_members(method):
    """Mean and covariance after four cycles of a linear-Gaussian system, over 48 repetitions.

    Its noise is correlated; these filters know no more of noise than the members that it moves. A
    size between these two would have no weight in the slope.
    """
    system = linear_gaussian(size=8, noise_cov="correlated")
    network, repeats, sizes = sites(8, 2, 0.3), 48, np.array([32, 512])
    ys = np.random.default_rng(1).normal(size=(4, network.size))
    start = np.linalg.cholesky(matrices(system).P)
    mean, cov = kalman(system, network, ys, np.zeros(8), matrices(system).P)
    filter = method(Problem(system.model, network, system.climate), rtps=0.0)

    def run(key, n):
        def cycle(carry, args):
            carry, _ = filter.step(args[0], carry, Observation(jnp.zeros(()), args[1]))
            return carry, None

        carry = filter.init(jax.random.normal(key, (n, 8)) @ start.T)
        keys = jax.random.split(jax.random.fold_in(key, 1), len(ys))
        x = jax.lax.scan(cycle, carry, (keys, ys))[0].x
        return x.mean(0) - mean, jnp.cov(x, rowvar=False) - cov

    errors = []
    for n in sizes:
        keys = jax.random.split(jax.random.key(n), repeats)
        runs = optimised.jit(lambda keys, n=int(n): jax.lax.map(lambda key: run(key, n), keys))(
            keys
        )
        errors.append([float(jnp.sqrt((e**2).mean())) for e in runs])
    # the log of an error has an sd of at most 1 / sqrt(2 * 48) = 0.1, were all entries of a run one
    # number, and a slope between ends 16 apart 0.05; terms of order 1 / N tilt it a little
    slopes = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    np.testing.assert_allclose(slopes, -0.5, atol=4 * 0.05)
    # means of N exact draws would have this error; estimated gains add to it
    exact = np.sqrt(np.trace(cov) / 8 / sizes[-1])
    assert 0.5 * exact < errors[-1][0] < 4 * exact
