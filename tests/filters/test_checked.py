"""Quality control: what it rejects is to a method as if it had never been."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from dabench.core.quality import BACKGROUND, BUDDY
from dabench.filters.base import Problem, split_key
from dabench.filters.bootstrap import bootstrap
from dabench.filters.checked import checked, quality_control
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


def test_values_with_correlated_errors_are_rejected_together():
    p = problem(correlation={"length_sites": 2.0})
    hx = jnp.asarray(np.random.default_rng(1).normal(size=(MEMBERS, SIZE)))
    obs = Observation(jnp.zeros(()), jnp.zeros(SIZE).at[2].set(50.0))
    assert np.all(quality_control(p.network, hx, obs) == BACKGROUND)
    assert not np.any(quality_control(p.network, hx, obs._replace(y=jnp.zeros(SIZE))))


def front() -> np.ndarray:
    """Departures on a ring of 24 sites where a front is six standard deviations out of place."""
    return np.where((np.arange(24) >= 8) & (np.arange(24) < 18), 6.0, 0.0)


def rejected(d, there=None, **buddies) -> np.ndarray:
    """The reason of each value's rejection, where d is in expected standard deviations, limit 4."""
    group = Group.model_validate({"error_std": 1.0, "reject_above": 4.0} | buddies)
    system = linear_gaussian(size=24)
    network = build([group], system.layout)
    present = None if there is None else jnp.asarray(there)
    obs = Observation(jnp.zeros(()), jnp.asarray(d, float), present)
    return np.asarray(quality_control(network, jnp.zeros((2, 24)), obs))


BUDDIES = {"buddies": {"radius_sites": 3}}


def test_the_background_check_alone_throws_away_a_front_and_buddies_keep_it():
    np.testing.assert_array_equal(rejected(front()), np.where(front() > 0, BACKGROUND, 0))
    np.testing.assert_array_equal(rejected(front(), **BUDDIES), 0)


def test_gross_errors_are_rejected_on_both_sides_of_a_front_and_named_by_the_check():
    """Site 13 has what the background says, and all around it say that this is wrong."""
    d, there = front(), np.ones(24, bool)
    d[[2, 3, 13, 21]] = [9.0, -9.0, -0.5, 30.0]
    there[[4, 22]], d[[4, 22]] = False, np.nan
    expected = np.zeros(24, int)
    expected[[2, 3, 21]], expected[13] = BACKGROUND, BUDDY
    np.testing.assert_array_equal(rejected(d, there, **BUDDIES), expected)


def test_without_enough_buddies_the_background_check_decides():
    there = np.zeros(24, bool)
    there[[8, 10, 12, 14]] = True
    d = np.where(there, front(), np.nan)
    buddies = {"buddies": {"radius_sites": 3, "least": 3}}
    np.testing.assert_array_equal(rejected(d, there, **buddies), np.where(there, BACKGROUND, 0))
    buddies = {"buddies": {"radius_sites": 6, "least": 3}}
    np.testing.assert_array_equal(rejected(d, there, **buddies), 0)


def test_without_limits_a_filter_is_as_it_is():
    p = problem(reject_above=None)
    assert p.network.limit is None
    assert not p.network.gaps
    step = checked(partial(whitened, bootstrap), p).step
    assert step.__qualname__ == bootstrap(p).step.__qualname__
