"""Ensemble means against the Kalman filter's on a linear-Gaussian system: rates of the error."""

import jax
import jax.numpy as jnp
import numpy as np
import optimised
import pandas as pd

from dabench.filters.base import Problem
from dabench.filters.kalman import kalman
from dabench.observe.network import Network, Observation
from dabench.systems.toys.linear_gaussian import linear_gaussian

SIZE, DAMPING, CYCLES = 4, 0.95, 4


def problem(noise="identity", observed=(0, 2), std=0.5, intercept=None):
    """The linear-Gaussian system with some of four sites observed."""
    system = linear_gaussian(size=SIZE, damping=DAMPING, noise_cov=noise, intercept=intercept)
    index = np.array(observed)
    columns = {"variable": "state", "level": np.nan, "site": index, "error_std": std}
    table = pd.DataFrame(columns)
    network = Network(lambda x: x[index], np.full(len(index), std), table, linear=True)
    return system, Problem(system.model, network, system.climate, batch=4096)


def distances_to_the_mean(make, noise, repeats, key, intercept=None):
    """Mean squared distances of ensemble means from the Kalman filter's, in its covariance.

    Arguments:
        repeats: Number of members -> number of ensembles. One array of distances for each.
    """
    system, p = problem(noise, intercept=intercept)
    start = (intercept or 0) / (1 - DAMPING)  # a truth from there returns to 0 with the damping
    truth = system.truth(1, CYCLES) - start * DAMPING ** np.arange(CYCLES + 1)[:, None]
    y = truth[1:, np.array([0, 2])] + 0.5 * jax.random.normal(key, (CYCLES, 2))

    def run(method, n, key):
        def cycle(carry, now):
            k, obs = now
            return method.step(jax.random.fold_in(key, k), carry, obs)[0], None

        steps = (jnp.arange(CYCLES), Observation(jnp.zeros(CYCLES), y))
        return jax.lax.scan(cycle, method.init(jnp.zeros((n, SIZE))), steps)[0]

    exact, method = run(kalman(p), 1, key), make(p)
    root = np.linalg.cholesky(np.asarray(exact.cov))
    for n, count in repeats.items():
        keys = jax.random.split(jax.random.fold_in(key, n), count)
        means = optimised.jit(
            lambda keys, n=n: jax.lax.map(lambda k: run(method, n, k).x.mean(0), keys)
        )
        errors = np.linalg.solve(root, np.asarray(means(keys) - exact.mean[None]).T)
        yield np.mean(errors**2, axis=0)


def rate(repeats, distances):
    """The slope of the error against the number of members, and its standard error."""
    log_errors, variances = [], []
    for squares in distances:
        log_errors.append(0.5 * np.log(squares.mean()))
        # By the delta method half the logarithm of a mean of independent squares has half their
        # relative standard error.
        variances.append((0.5 * squares.std(ddof=1) / squares.mean()) ** 2 / len(squares))
    logs = np.log(list(repeats)) - np.log(list(repeats)).mean()
    weights = logs / (logs**2).sum()
    return weights @ log_errors, np.sqrt(weights**2 @ variances)
