"""Directions as unit vectors: the likelihood is von Mises's, and methods take them."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import circmean, vonmises

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.diffusion.model import Sampler
from dabench.filters.base import Problem
from dabench.filters.bootstrap import bootstrap
from dabench.filters.directions import as_vectors
from dabench.filters.fa_apf import fa_apf
from dabench.filters.fa_enkf import fa_enkf
from dabench.filters.kalman import kalman
from dabench.filters.oi import oi
from dabench.observe.network import Observation, build
from dabench.runs.conformance import FilterTrial
from dabench.runs.twin import Twin
from dabench.scenario.scenario import Group
from dabench.systems.toys.linear_gaussian import linear_gaussian

WINDS = tuple(Channel(f"{name}_component_of_wind", "m s**-1") for name in "uv")
SITES, STD, MEMBERS = 2, 10.0, 32


def wind_system():
    """Wind at two sites, around (3, 3) m/s."""
    system = linear_gaussian(size=2 * SITES, intercept=0.15, noise_length=0.0, speed=0.0)
    layout = Layout(WINDS, {"site": np.arange(SITES)}, dtype="float64")
    return replace(system, model=replace(system.model, layout=layout))


def twin(*groups):
    system = wind_system()
    network = build([Group.model_validate(g) for g in groups], system.layout)
    return Twin(system, network, jnp.asarray(system.truth(3, 12)), 3)


DIRECTION = {"name": "direction", "variables": ["wind_direction"], "error_std": STD}
SPEED = {"name": "speed", "variables": ["wind_speed"], "error_std": 0.1}


def test_the_likelihood_is_that_of_von_mises_and_diagnostics_are_in_degrees():
    trial = twin(DIRECTION)
    problem = Problem(trial.system.model, trial.network, jnp.asarray(trial.system.climate))
    method = as_vectors(bootstrap, problem)
    x = jnp.asarray(np.random.default_rng(0).normal(0, 3, (MEMBERS, 2 * SITES)))
    y = jnp.array([358.0, 181.0])
    obs = Observation(jnp.zeros(()), y, jnp.array([True, True]))
    _, info = jax.jit(method.step)(jax.random.key(0), method.init(x), obs)
    hx = np.asarray(jax.vmap(trial.network.h)(info["background"]))
    concentration = np.radians(STD) ** -2
    log_p = vonmises.logpdf(np.radians(np.asarray(y) - hx), concentration).sum(1)
    expected = log_p - np.logaddexp.reduce(log_p)
    np.testing.assert_allclose(info["log_weights"], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(info["background_obs"], circmean(hx, 360, 0, axis=0), rtol=1e-9)
    assert info["background_var"].shape == y.shape


def test_a_fixed_gain_is_refused_before_the_run():
    trial = twin(SPEED)
    problem = Problem(trial.system.model, trial.network, jnp.asarray(trial.system.climate))
    with pytest.raises(UserError, match="one gain for all states"):
        oi(problem, covariance="climate")
    with pytest.raises(UserError, match="without speeds and directions"):
        kalman(problem)


@pytest.mark.parametrize("make", [fa_apf, fa_enkf], ids=lambda make: make.__name__)
def test_methods_that_linearise_learn_from_speed_and_direction(make):
    """The mean is nearer to the truth than that of an ensemble, which is told nothing.

    Winds around 4 m/s with errors of 0.1 m/s and 10 degrees: each observation is worth some tenths
    of a metre a second against a spread of more than one.
    """
    trial = twin(SPEED, DIRECTION)
    few = {"sampler": Sampler(levels=8)}
    if make is fa_enkf:
        few |= {"length_scale_sites": None, "length_scale_km": None}
    truth, means = np.asarray(trial.truth)[1:], [trial.initial(64).mean(0)]
    for _ in truth:
        means.append(trial.system.model.step(means[-1]) + 0.15)
    x = FilterTrial(lambda problem: as_vectors(partial(make, **few), problem), trial).run(cycles=12)
    errors = [np.sqrt(((mean - truth) ** 2).mean()) for mean in (x.mean(1), np.array(means[1:]))]
    assert errors[0] < 0.7 * errors[1]
