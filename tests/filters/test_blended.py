"""FA-APF's local weights: moments of weighted ancestors, Kalman's where there are many."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear import matrices
from rates import SIZE, problem

from dabench.core.errors import UserError
from dabench.diffusion.model import Sampler
from dabench.filters import blended
from dabench.filters.blended import LocalWeights, blending
from dabench.filters.fa_apf import fa_apf
from dabench.filters.guided import guided
from dabench.observe.network import Network, Observation

GLOBAL = LocalWeights(length_scale_km=None, vertical_scale=None)


def ahead(system, network, x):
    """h(A x) of every member, and the matrix."""
    H = np.asarray(jax.jit(jax.jacobian(network.h))(jnp.zeros(SIZE))) @ matrices(system).A
    return x @ H.T, H


def blend(p, how, x, hx, y):
    obs = Observation(jnp.zeros(()), jnp.asarray(y))
    return np.asarray(jax.jit(blending(p, how))(jnp.asarray(x), jnp.asarray(hx), obs))


def weights(hx, y, var, alpha=1.0):
    log_w = -0.5 * alpha * ((y - hx) ** 2 / var).sum(1)
    w = np.exp(log_w - log_w.max())
    return w / w.sum()


def variances(p):
    """The diagonal of R + H Q Hᵀ; `test_fa_enkf` tests how filters estimate it."""
    return p.network.var + p.model.model_cov[0, 0]


@pytest.fixture(autouse=True)
def exact_variances(monkeypatch):
    def diagonal(p, factor):
        std = np.sqrt(factor * variances(p))
        return lambda v, present: v / std[None]

    monkeypatch.setattr(blended, "diagonal", diagonal)


def test_without_taper_ancestors_have_the_moments_of_global_weights():
    system, p = problem("correlated")
    x, y = np.asarray(system.climate[:12]), np.array([0.3, -1.0])
    hx, _ = ahead(system, p.network, x)
    ancestors = blend(p, replace(GLOBAL, least_ess=1e-6), x, hx, y)
    w = weights(hx, y, variances(p))
    np.testing.assert_allclose(ancestors.mean(0), w @ x, atol=1e-10)
    expected = np.cov(x, rowvar=False, aweights=w, ddof=0)
    np.testing.assert_allclose(np.cov(ancestors, rowvar=False, ddof=0), expected, atol=1e-10)


def test_many_ancestors_have_kalmans_moments_given_the_next_observations():
    system, p = problem("correlated", std=2.0)
    n, y, rng = 4000, np.array([1.5, -1.0]), np.random.default_rng(3)
    P = matrices(system).P
    x = rng.multivariate_normal(np.zeros(SIZE), P, n)
    hx, HA = ahead(system, p.network, x)
    ancestors = blend(p, replace(GLOBAL, least_ess=1e-6), x, hx, y)
    S, w = np.diag(variances(p)), weights(hx, y, variances(p))
    gain = P @ HA.T @ np.linalg.inv(HA @ P @ HA.T + S)
    mean, cov = gain @ y, P - gain @ HA @ P
    size = 1 / (w**2).sum()
    assert size > 1000
    # Weighted draws have the standard error of as many draws as the effective sample size.
    np.testing.assert_array_less(abs(ancestors.mean(0) - mean), 4.5 * np.sqrt(np.diag(cov) / size))
    variance = np.outer(np.diag(cov), np.diag(cov)) + cov**2
    away = abs(np.cov(ancestors, rowvar=False) - cov)
    np.testing.assert_array_less(away, 4.5 * np.sqrt(variance / size))


def test_weights_that_few_members_would_have_are_tempered():
    system, p = problem("correlated", std=0.01)
    x, y = np.asarray(system.climate[:40]), np.array([3.0, -3.0])
    hx, _ = ahead(system, p.network, x)
    ancestors = blend(p, replace(GLOBAL, least_ess=0.5), x, hx, y)
    sizes = []
    for alpha in np.geomspace(1e-4, 1, 4001):
        w = weights(hx, y, variances(p), alpha)
        if 0.5 * 40 <= 1 / (w**2).sum() <= 0.525 * 40:
            sizes.append(np.abs(ancestors.mean(0) - w @ x).max())
    assert min(sizes) < 1e-3 * np.std(x)


def test_ancestors_out_of_reach_stay_where_they_are():
    """Sites 0 and 2 of a ring of 4; a taper that ends after 0.73 sites reaches no other."""
    system, p = problem()
    x, y = np.asarray(system.climate[:12]), np.array([0.3, -1.0])
    hx, _ = ahead(system, p.network, x)
    ancestors = blend(p, replace(GLOBAL, length_scale_sites=0.2), x, hx, y)
    rounding = 64 * np.finfo(float).eps * abs(x).max()  # of a transform by equal weights
    np.testing.assert_allclose(ancestors[:, [1, 3]], x[:, [1, 3]], rtol=0, atol=rounding)
    for site, number in ((0, 0), (2, 1)):
        w = weights(hx[:, [number]], y[number], variances(p)[number])
        np.testing.assert_allclose(ancestors[:, site].mean(), w @ x[:, site], atol=1e-10)


def test_without_information_draws_are_those_without_weights(key):
    system, p = problem("correlated")
    blind = p._replace(network=Network(p.network.h, np.full(2, 1e9), p.network.table, linear=True))
    sampler, x = Sampler(levels=4), system.climate[:6]
    obs, runs = Observation(jnp.zeros(()), jnp.array([0.3, -1.0])), []
    for method in (fa_apf(blind, local=GLOBAL, sampler=sampler), guided(blind, sampler=sampler)):
        runs.append(jax.jit(method.step)(key, method.init(x), obs)[0].x)
    np.testing.assert_allclose(runs[0], runs[1], atol=1e-8)


def test_local_weights_are_of_one_kind():
    _, p = problem()
    with pytest.raises(UserError, match="leave out"):
        fa_apf(p, weight="gaussian", local=GLOBAL)
