"""The dynamics; needs dinosaur, an optional package, which promotes ranks silently."""

import jax
import numpy as np
import pytest

pytest.importorskip("dinosaur")

from dabench.systems.atmosphere.training import nature
from dabench.systems.held_suarez.training import regrid
from dabench.systems.held_suarez.training.dynamics import HeldSuarez

PASCAL_FLOAT32 = 0.9  # log pressure of 45 has float32 units of 0.38 Pa, its mean's coefficient 0.43
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def as_dinosaur_needs():
    with jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def model(as_dinosaur_needs):
    return HeldSuarez()


@pytest.fixture(scope="module")
def states(model):
    """The start, and 12 and 24 hours later."""
    first = model.branch(model.start(jax.random.key(0)), jax.random.key(1))
    second = model.frame(first)
    return [first, second, model.frame(second)]


def test_mean_surface_pressure_stays_at_its_value(model, states):
    for state in states:
        assert abs(float(model.mean_pressure(state)) - 1e5) < PASCAL_FLOAT32


def test_a_stored_state_goes_on_with_the_same_bits(model, states, tmp_path):
    nature.save_state(tmp_path / "state.npz", states[1])
    again = model.frame(nature.load_state(tmp_path / "state.npz", states[0]))
    for name, array in model.view(states[2]).items():
        np.testing.assert_array_equal(array, model.view(again)[name])


def test_the_model_s_winds_are_the_regridder_s(model, states):
    from dinosaur import spherical_harmonic

    state = states[2]
    u, v = spherical_harmonic.vor_div_to_uv_nodal(model.grid, state.vorticity, state.divergence)
    vorticity, divergence = np.split(model.view(state)["coefficients"][None, :16], 2, axis=1)
    mine = regrid.Regridder().transform.winds(vorticity, divergence)
    for theirs, ours in zip((u, v), mine, strict=True):
        theirs = np.asarray(theirs).swapaxes(1, 2).reshape(8, -1) * regrid.WIND_UNIT
        np.testing.assert_allclose(ours[0], theirs, atol=1e-3)
