"""FA-APF against the Kalman filter: exact weights, the rate of convergence, the window of alpha."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from linear import matrices
from rates import SIZE, distances_to_the_mean, problem, rate

from dabench.core.errors import UserError
from dabench.diffusion import draw
from dabench.diffusion.guidance import Condition, GuidanceSettings
from dabench.diffusion.model import Sampler
from dabench.filters.bootstrap import bootstrap
from dabench.filters.ensemble import ensemble
from dabench.filters.fa_apf import fa_apf, least_members, window_of
from dabench.filters.guided import guided
from dabench.filters.look_ahead import dirac, gaussian, look_ahead_products
from dabench.observe.network import Network, Observation

EXACT = GuidanceSettings("cg", 3)


def log_evidence(system, network, x, y):
    """log N(y; H A x, H Q Hᵀ + R) up to a constant."""
    H = np.asarray(jax.jit(jax.jacobian(network.h))(jnp.zeros(SIZE)))
    S = H @ matrices(system).Q @ H.T + np.diag(network.var)
    r = np.asarray(y)[None] - np.asarray(x) @ (H @ matrices(system).A).T
    return -0.5 * np.sum(r * np.linalg.solve(S, r.T).T, -1)


def look(rule, p, x, y, key, **settings):
    model, sampler = p.model, Sampler(sigma_max=1e6)  # where D is the prior mean to six digits

    @jax.jit
    def weights(keys, x, y):
        start = draw.Start(keys, x, context=())
        condition = Condition(p.network.h, p.network.error_std, y, EXACT)
        return rule(p, model, sampler, **settings)(start, jnp.zeros(()), condition)[0]

    return weights(jax.random.split(key, len(x)), x, y)


@pytest.mark.parametrize("noise", ["identity", "correlated"])
def test_the_finer_weight_is_exact(noise, key):
    system, p = problem(noise)
    x, y = system.climate[:20], jnp.array([0.3, -1.0])
    log_w = look(gaussian, p, x, y, key)
    expected = log_evidence(system, p.network, x, y)
    np.testing.assert_allclose(log_w - log_w[0], expected - expected[0], rtol=1e-4, atol=1e-4)


def test_the_finer_weight_takes_any_number_of_observations_in_few_directions(key):
    """Two sites, each observed a thousand times and one once more: two directions are all."""
    system, p = problem("correlated")
    n = 2001
    many = Network(lambda x: jnp.resize(p.network.h(x), n), np.full(n, 9.0), pd.DataFrame(), True)
    x, y = system.climate[:20], jax.random.normal(jax.random.fold_in(key, 1), (n,))
    log_w = look(gaussian, p._replace(network=many), x, y, key, rank=2)
    expected = log_evidence(system, many, x, y)
    np.testing.assert_allclose(log_w - log_w[0], expected - expected[0], rtol=1e-4, atol=1e-4)


def test_the_dirac_weight_is_exact_at_its_own_alpha(key):
    system, p = problem(observed=(1,))
    x, y = system.climate[:20], jnp.array([0.7])
    alpha = 1 / (1 + matrices(system).Q[1, 1] / 0.5**2)
    log_w = alpha * look(dirac, p, x, y, key)
    expected = log_evidence(system, p.network, x, y)
    np.testing.assert_allclose(log_w - log_w[0], expected - expected[0], rtol=1e-4, atol=1e-4)


METHODS = {
    "fa_apf": lambda p: fa_apf(
        p,
        ess=None,
        weight="gaussian",
        guidance=EXACT,
        sampler=Sampler("dpmpp_2m", levels=60),
    ),
    "bootstrap": bootstrap,
}


@pytest.mark.parametrize(
    ("name", "noise", "repeats"),
    [
        ("fa_apf", "correlated", {32: 128, 1024: 32}),  # white noise is a case of it
        # of 100 members so few have weight here that the rate is not yet seen
        ("bootstrap", "identity", {256: 128, 8192: 64}),
    ],
)
def test_error_falls_as_the_root_of_the_number_of_members(name, noise, repeats, key):
    slope, error = rate(repeats, distances_to_the_mean(METHODS[name], noise, repeats, key))
    # The three or so independent components of an error make 0.5 sqrt(2 / 3 / 32) = 0.07 of the
    # larger ensembles and 0.036 of the smaller: 0.08 / log(32) = 0.023 for the slope. Four of these
    # are half of what tells -1/2 from a slope of -0.3, and a floor makes it flatter still.
    assert error < 0.03
    assert abs(slope + 0.5) < 4 * error, (slope, error)


@pytest.mark.parametrize("from_mean", [True, False])
def test_the_error_has_no_floor_where_draws_keep_the_mean_of_the_target(from_mean, key):
    """The denoiser has to find an intercept of two standard deviations of the model's error.

    Draws from sigma_max e lose 1 / sigma_max of it, whatever the number of members.
    """
    repeats = {64: 64, 4096: 32}
    sampler = Sampler("dpmpp_3m", 20, 20.0, 0.002, rho=10.0, from_mean=from_mean)

    def make(p):
        return fa_apf(p, ess=None, weight="gaussian", guidance=EXACT, sampler=sampler)

    slope, error = rate(repeats, distances_to_the_mean(make, "identity", repeats, key, 1.0))
    # Two degrees of freedom at least in each square: 0.5 / sqrt(32) = 0.09 of the logarithm of an
    # error, and so 0.03 of a slope over a factor of 64.
    assert error < 0.03
    assert (abs(slope + 0.5) < 4 * error) == from_mean, (slope, error)


@pytest.mark.parametrize("make", [fa_apf, guided, bootstrap])
def test_no_information_leaves_the_unconditional_ensemble(make, key):
    system, p = problem("correlated")
    blind = p._replace(
        network=Network(p.network.h, np.full(2, 1e9), pd.DataFrame(), linear=True), batch=3
    )
    sampler, x = Sampler(levels=8), system.climate[:10]
    obs = Observation(jnp.zeros(()), jnp.array([0.3, -1.0]))
    runs = []
    for method in (make(blind, sampler=sampler), ensemble(blind, sampler=sampler)):
        carry, _ = jax.jit(method.step)(key, method.init(x), obs)
        runs.append(carry.x)
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-10)


def test_diagnostics_are_those_of_the_window_and_one_compilation_serves_all_cycles(key):
    system, p = problem()
    method = fa_apf(p, ess=(0.25, 0.3), sampler=Sampler(levels=6))
    carry, step = method.init(system.climate[:64]), jax.jit(method.step)
    for k in range(3):
        obs = Observation(jnp.asarray(float(k)), jnp.array([3.0, -3.0]))
        carry, info = step(jax.random.fold_in(key, k), carry, obs)
        assert 16 <= info["ess"] <= 19.2 or info["alpha"] == 1
        np.testing.assert_allclose(1 / np.sum(np.exp(2 * info["log_weights"])), info["ess"])
        assert info["evaluations"] == 7
        assert info["products"] == 6 * 4
        assert carry.x.shape == (64, SIZE)
    assert step._cache_size() == 1


def test_the_window_is_in_members_or_in_fractions_of_them():
    assert window_of((0.5, 0.9))(20) == (10, 18)
    assert window_of((60, 70))(256) == (60, 70)
    assert window_of((12, 20))(16) == (12, 16)
    assert window_of((1, 1))(16) == (16, 16)
    assert window_of(None) is None
    for wrong in [(70, 60), (0.5, 70)]:
        with pytest.raises(UserError, match="both as fractions"):
            window_of(wrong)
    windows = (60, 70), (12, 20), (1, 1), (0.5, 0.9), None
    assert [least_members(ess) for ess in windows] == [61, 13, 1, 1, 1]


def test_the_finer_weight_counts_a_product_an_observation_or_two_a_direction(key):
    system, p = problem()
    obs = Observation(jnp.zeros(()), jnp.array([3.0, -3.0]))
    counts = []
    for weight in ("dirac", "gaussian"):
        method = fa_apf(p, weight=weight, sampler=Sampler(levels=6))
        info = jax.jit(method.step)(key, method.init(system.climate[:8]), obs)[1]
        counts.append(info["products"])
    assert counts == [6 * 4, 6 * 4 + 2]
    ranks = [look_ahead_products(p.network, "gaussian", rank) for rank in (None, 1, 2, 5)]
    assert ranks == [2, 2, 2, 2]
    assert look_ahead_products(replace(p.network, error_std=np.ones(20)), "gaussian", 5) == 10


def test_methods_that_need_a_denoiser_say_so():
    class Plain:
        def __init__(self):
            self.layout = None

        def forecast(self, keys, x, time):
            return x

    _, p = problem()
    for make in (fa_apf, guided):
        with pytest.raises(UserError, match="needs a diffusion model"):
            make(p._replace(model=Plain()))
    many = Network(
        lambda x: jnp.resize(p.network.h(x), 2001), np.ones(2001), pd.DataFrame(), linear=True
    )
    with pytest.raises(UserError, match="up to 2000 observations"):
        fa_apf(p._replace(network=many), weight="gaussian")
    with pytest.raises(UserError, match="rank: 64 is of weight: gaussian"):
        fa_apf(p, rank=64)
