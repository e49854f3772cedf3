"""The fully adapted EnKF: ancestors by Kalman's formula, exact where all is linear and Gaussian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear import matrices
from rates import SIZE, distances_to_the_mean, problem, rate

from dabench.core.errors import UserError
from dabench.diffusion.guidance import GuidanceSettings
from dabench.diffusion.model import Sampler
from dabench.filters.ancestors import diagonal
from dabench.filters.fa_enkf import fa_enkf
from dabench.filters.guided import guided
from dabench.observe.network import Network, Observation

EXACT = GuidanceSettings("cg", 3)
PURE = Sampler("dpmpp_2m", levels=60, sigma_max=1e4)
"""At 1e4 the denoised noise is the mean of the target to four digits."""


def step(method, x, y, key):
    obs = Observation(jnp.zeros(()), jnp.asarray(y))
    return jax.jit(method.step)(key, method.init(x), obs)[0].x


def innovation_covariance(system, network):
    H = np.asarray(jax.jacobian(network.h)(jnp.zeros(SIZE)))
    return H, H @ matrices(system).Q @ H.T + np.diag(network.var)


def test_members_are_moved_to_the_smoothed_mean_and_drawn_from_there(key):
    """The mean of many keys' draws is Kalman's for the sample moments of the members."""
    system, p = problem("correlated", observed=(0, 1), intercept=1.0)
    x, y, A = np.asarray(system.climate[:6]), np.array([21.0, 17.0]), matrices(system).A
    H, S = innovation_covariance(system, p.network)
    P, b = np.cov(x, rowvar=False), np.ones(SIZE)
    HA = H @ A
    moved = P @ HA.T @ np.linalg.inv(HA @ P @ HA.T + S)
    ancestor = x.mean(0) + moved @ (y - HA @ x.mean(0) - H @ b)
    Q = matrices(system).Q
    forecast = A @ ancestor + b
    expected = forecast + Q @ H.T @ np.linalg.solve(S, y - H @ forecast)

    method = fa_enkf(p, covariance="dense", rtps=0, guidance=EXACT, sampler=PURE)
    keys = jax.random.split(key, 500)
    means = jax.lax.map(lambda k: step(method, system.climate[:6], y, k).mean(0), keys)
    # Draws have a standard deviation of 0.5 at most, those of a mean over 6 members and 500 keys
    # 0.009; a start without the mean of the target, 2 of its deviations over 1e4, adds nothing.
    np.testing.assert_allclose(means.mean(0), expected, atol=4.5 * 0.5 / np.sqrt(6 * 500))


def test_error_falls_as_the_root_of_the_number_of_members(key):
    repeats = {32: 64, 1024: 32}

    def make(p):
        sampler = Sampler("dpmpp_2m", levels=60)
        return fa_enkf(p, covariance="dense", rtps=0, guidance=EXACT, sampler=sampler)

    slope, error = rate(repeats, distances_to_the_mean(make, "correlated", repeats, key))
    # Three or so independent components of an error make 0.5 sqrt(2 / 3 / 32) = 0.07 of the larger
    # ensembles and 0.05 of the smaller: 0.09 / log(32) = 0.026 for the slope.
    assert error < 0.035
    assert abs(slope + 0.5) < 4 * error, (slope, error)


@pytest.mark.parametrize("covariance", ["diagonal", "dense"])
def test_without_information_ancestors_stay_where_they_are(covariance, key):
    system, p = problem("correlated")
    blind = p._replace(
        network=Network(p.network.h, np.full(2, 1e9), p.network.table, linear=True), batch=3
    )
    sampler, x = Sampler(levels=8), system.climate[:10]
    moved = step(fa_enkf(blind, covariance=covariance, sampler=sampler), x, [0.3, -1.0], key)
    drawn = step(guided(blind, sampler=sampler), x, [0.3, -1.0], key)
    np.testing.assert_allclose(moved, drawn, atol=1e-8)


def test_the_order_of_members_does_not_matter(key):
    """Ancestors depend on all members alike: only their own noise tells draws apart."""
    system, p = problem()
    method = fa_enkf(p, guidance=EXACT, sampler=PURE)
    order = np.random.default_rng(0).permutation(8)
    keys, x = jax.random.split(key, 400), system.climate[:8]
    d = jax.lax.map(
        lambda k: (
            step(method, x[order], [1.0, 2.0], k).mean(0) - step(method, x, [1.0, 2.0], k).mean(0)
        ),
        keys,
    )
    error = np.asarray(d).std(0, ddof=1) / 20
    np.testing.assert_array_less(np.abs(np.asarray(d).mean(0)), 4.5 * error + 1e-9)


def test_variances_of_forecasts_are_those_of_the_model(key):
    system, p = problem(observed=(0, 1, 2, 3))
    root = np.asarray(diagonal(p, 2.0)(jnp.ones((1, 4)), None))[0]
    variance = 1 / root**2 / 2 - 0.5**2
    # Four sites, two of them independent at least, and 16 pairs of draws: a relative standard error
    # of sqrt(2 / 32) of Q's diagonal.
    np.testing.assert_allclose(variance, 0.25, rtol=4.5 * 0.25)
    assert np.ptp(variance) == 0
    assert matrices(system).Q[0, 0] == 0.25


def test_what_dense_cannot_do_is_refused():
    _, p = problem()
    with pytest.raises(UserError, match="localised"):
        fa_enkf(p, covariance="dense", length_scale_sites=2.0)
    with pytest.raises(UserError, match="needs a state of the climate"):
        fa_enkf(p._replace(climate=jnp.zeros((0, SIZE))), covariance="dense")
    n = 2001
    many = Network(
        lambda x: jnp.resize(x, n), np.ones(n), p.network.table.loc[np.zeros(n, int)], linear=True
    )
    with pytest.raises(UserError, match="up to 2000 observations"):
        fa_enkf(p._replace(network=many), covariance="dense")
