"""Humidity is cut off at zero, or where the climate has its smallest value, and nothing else is."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from twins import SPHERE, Still, stations

from dabench.core.layout import Channel
from dabench.filters.base import Ensemble, Filter, Problem
from dabench.filters.nonnegative import nonnegative
from dabench.observe.network import Observation

RNG = np.random.default_rng(0)
WET = replace(
    SPHERE, channels=(*SPHERE.channels[:3], Channel("specific_humidity", "kg kg-1", 850.0))
)
OBS = Observation(jnp.zeros(()), jnp.zeros(3))


@jax.tree_util.register_dataclass
@dataclass
class Carried:
    x: jax.Array


def problem(layout, climate):
    return Problem(Still(layout), stations(layout, 3, RNG), jnp.asarray(climate))


@pytest.mark.parametrize("carry", [Ensemble, Carried])
@pytest.mark.parametrize("least", [0.0, -0.5])
def test_what_is_below_the_floor_is_cut_off_and_counted(carry, least, key):
    climate = RNG.uniform(least, 1, size=(4, WET.size))
    climate[0, :] = least
    x = RNG.normal(size=(3, WET.size))
    method = nonnegative(Filter(carry, lambda key, c, obs: (c, {"ess": 1})), problem(WET, climate))
    after, info = method.step(key, method.init(jnp.asarray(x)), OBS)
    before, after = WET.unflatten(x), WET.unflatten(np.asarray(after.x))
    np.testing.assert_array_equal(after[:, :, 3], np.maximum(before[:, :, 3], least))
    np.testing.assert_array_equal(after[:, :, :3], before[:, :, :3])
    np.testing.assert_allclose(info["clipped"], (before[:, :, 3] < least).mean())
    assert info["ess"] == 1


def test_without_climate_the_floor_is_zero_and_without_humidity_nothing_changes(key):
    method = Filter(Ensemble, lambda key, c, obs: (c, {}))
    assert nonnegative(method, problem(SPHERE, np.zeros((2, SPHERE.size)))) is method
    wet = nonnegative(method, problem(WET, np.zeros((0, WET.size))))
    after, info = wet.step(key, Ensemble(jnp.full((2, WET.size), -1.0)), OBS)
    assert WET.unflatten(after.x)[:, :, 3].max() == 0
    assert info["clipped"] == 1
