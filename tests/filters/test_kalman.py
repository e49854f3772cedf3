"""The Kalman filter against conditioning the whole trajectory's joint Gaussian at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from linear import matrices
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal

from dabench.core.errors import UserError
from dabench.filters.base import Problem
from dabench.filters.kalman import kalman
from dabench.observe.network import Network, Observation
from dabench.systems.toys.linear_gaussian import linear_gaussian

SIZE, CYCLES, OBSERVED = 5, 4, np.array([0, 3])
STD = np.array([0.5, 1.5])


def test_mean_covariance_and_likelihood_are_those_of_the_joint_gaussian(key):
    system = linear_gaussian(size=SIZE)
    A, Q, _ = matrices(system)
    network = Network(lambda x: x[OBSERVED] + 2, STD, pd.DataFrame(), linear=True)
    method = kalman(Problem(system.model, network, system.climate))
    members = system.climate[:50]
    y = np.asarray(system.truth(3, CYCLES))[1:, OBSERVED] + 2.3

    carry = method.init(members)
    step = jax.jit(method.step)
    for k in range(CYCLES):
        carry, info = step(jax.random.fold_in(key, k), carry, Observation(jnp.asarray(0.0), y[k]))

    # x_k = sum of A^(k-j) q_j, q_0 the initial state: all states as one linear map of all q
    G = np.block(
        [
            [np.linalg.matrix_power(A, i - j) if i >= j else 0 * A for j in range(CYCLES + 1)]
            for i in range(CYCLES + 1)
        ]
    )
    mean0, cov0 = np.mean(members, 0), np.cov(members, rowvar=False)
    mean = G @ np.concatenate([mean0, np.zeros(SIZE * CYCLES)])
    cov = G @ block_diag(cov0, *[Q] * CYCLES) @ G.T
    H = np.kron(np.eye(CYCLES + 1)[1:], np.eye(SIZE)[OBSERVED])
    S = H @ cov @ H.T + np.diag(np.tile(STD**2, CYCLES))
    r = y.ravel() - 2 - H @ mean
    gain = np.linalg.solve(S, H @ cov).T
    np.testing.assert_allclose(carry.mean, (mean + gain @ r)[-SIZE:], rtol=1e-9)
    np.testing.assert_allclose(carry.cov, (cov - gain @ H @ cov)[-SIZE:, -SIZE:], atol=1e-10)
    expected = multivariate_normal(np.zeros(len(S)), S).logpdf(r)
    np.testing.assert_allclose(carry.log_likelihood, expected, rtol=1e-10)
    np.testing.assert_array_equal(info["log_likelihood"], carry.log_likelihood)


def test_members_are_draws_from_the_posterior(key):
    system = linear_gaussian(size=SIZE)
    network = Network(lambda x: x[OBSERVED], STD, pd.DataFrame(), linear=True)
    method = kalman(Problem(system.model, network, system.climate))
    n = 20_000
    start = jnp.broadcast_to(system.climate[:1], (n, SIZE))  # without spread
    carry, _ = jax.jit(method.step)(
        key, method.init(start), Observation(jnp.asarray(0.0), jnp.ones(2))
    )
    std = np.sqrt(np.diag(carry.cov))
    assert np.all(np.abs(carry.x.mean(0) - carry.mean) < 4.5 * std / np.sqrt(n))
    error = np.sqrt((np.asarray(carry.cov) ** 2 + np.outer(std, std) ** 2) / n)
    assert np.all(np.abs(np.cov(carry.x, rowvar=False) - carry.cov) < 4.5 * error)


def test_other_systems_and_observations_are_refused():
    system = linear_gaussian(size=SIZE)
    bent = Network(lambda x: x[OBSERVED] ** 2, STD, pd.DataFrame(), linear=False)
    with pytest.raises(UserError, match="enkf and letkf take any system"):
        kalman(Problem(system.model, bent, system.climate))
