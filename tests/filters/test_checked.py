"""The background check: what it rejects is what a method does as if it had never been."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dabench.filters.base import Problem, split_key
from dabench.filters.bootstrap import bootstrap
from dabench.filters.checked import background_check, checked
from dabench.filters.whitened import whitened
from dabench.observe.network import Observation, build
from dabench.scenario.scenario import Group
from dabench.systems.toys.linear_gaussian import linear_gaussian

SIZE, MEMBERS = 6, 8
SYSTEM = linear_gaussian(size=SIZE)
STD = 0.4


def problem(**entries) -> Problem:
    group = Group.model_validate({"error_std": STD, "reject_above": 3.0, **entries})
    network = build([group], SYSTEM.layout)
    return Problem(SYSTEM.model, network, jnp.asarray(SYSTEM.climate))


def test_a_rejected_value_is_one_that_is_missing_and_is_named():
    p, x = problem(), jnp.asarray(np.random.default_rng(1).normal(size=(MEMBERS, SIZE)))
    method, bare, key = checked(bootstrap, p), bootstrap(p), jax.random.key(2)
    y = jnp.asarray([0.1, 9.0, 0.0, -0.2, np.nan, -9.0])
    there = jnp.asarray([True, True, True, True, False, True])

    @jax.jit
    def both(x, present):
        obs = Observation(jnp.zeros(()), y, there)
        carry, info = method.step(key, method.init(x), obs)
        expected, _ = bare.step(key, bare.init(x), obs._replace(present=present))
        keys, _ = split_key(key, MEMBERS)
        prior = p.model.forecast(keys, x, obs.time)
        return carry.x, expected.x, info, prior

    after, expected, info, prior = both(x, there & (jnp.abs(y) < 5))
    distance = np.abs(y - prior.mean(0)) / np.sqrt(prior.var(0, ddof=1) + STD**2)
    assert (distance[:4] < 3).tolist() == [True, False, True, True]
    np.testing.assert_array_equal(info["rejected"], [0, 1, 0, 0, 0, 1])
    np.testing.assert_array_equal(after, expected)
    np.testing.assert_allclose(info["analysis_obs"], after.mean(0), rtol=1e-12)


def test_values_with_correlated_errors_are_rejected_together():
    p = problem(correlation={"length_sites": 2.0})
    hx = jnp.asarray(np.random.default_rng(1).normal(size=(MEMBERS, SIZE)))
    obs = Observation(jnp.zeros(()), jnp.zeros(SIZE).at[2].set(50.0))
    check = background_check(p.network, hx, obs)
    assert np.all(check.rejected)
    assert not np.any(check.accepted)
    fine = background_check(p.network, hx, obs._replace(y=jnp.zeros(SIZE)))
    assert np.all(fine.accepted)


def test_without_limits_a_filter_is_as_it_is():
    p = problem(reject_above=None)
    assert p.network.limit is None
    assert not p.network.gaps
    step = checked(partial(whitened, bootstrap), p).step
    assert step.__qualname__ == bootstrap(p).step.__qualname__
