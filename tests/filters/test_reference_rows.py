"""Persistence and climatology."""

import jax
import jax.numpy as jnp
import numpy as np
from twins import sphere

from dabench.filters.climate import draw
from dabench.filters.climatology import climatology
from dabench.filters.persistence import persistence


def test_persistence_keeps_the_initial_members(key):
    problem, x, obs = sphere()
    method = persistence(problem)
    ens, info = method.step(key, method.init(x), obs)
    np.testing.assert_array_equal(ens.x, x)
    assert info["background_obs"].shape == obs.y.shape


def test_climatology_draws_other_states_of_the_climate_every_cycle(key):
    problem, x, obs = sphere()
    method = climatology(problem)
    first = method.step(key, method.init(x), obs)[0]
    rows = [
        np.flatnonzero((np.asarray(problem.climate) == row).all(1)) for row in np.asarray(first.x)
    ]
    assert len(np.unique(np.concatenate(rows))) == len(x)
    second = method.step(jax.random.fold_in(key, 1), first, obs)[0]
    assert not (first.x == second.x).all()


def test_states_repeat_only_when_there_are_too_few(key):
    climate = jnp.arange(6.0)[:, None]
    np.testing.assert_array_equal(np.sort(draw(key, climate, 6)[:, 0]), np.arange(6))
    assert draw(key, climate, 9).shape == (9, 1)
