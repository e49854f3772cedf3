"""SPEEDY in a perpetual January; needs jcm, an optional package, which promotes ranks."""

import jax
import numpy as np
import pytest

pytest.importorskip("jcm")

from dabench.systems.atmosphere.training import nature
from dabench.systems.speedy.training.dynamics import Speedy
from dabench.systems.speedy.training.regrid import Regridder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def as_jcm_needs():
    with jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def model(as_jcm_needs):
    return Speedy()


@pytest.fixture(scope="module")
def states(model):
    """The start, and 12 and 24 hours later."""
    first = model.branch(model.start(jax.random.key(0)), jax.random.key(1))
    second = model.frame(first)
    return [first, second, model.frame(second)]


def test_a_frame_has_every_field_on_the_grid(model, states):
    frame = model.view(states[1])
    assert frame["coefficients"].shape == (41, 1024)
    assert frame["surface"].shape == (3, 48, 96)
    weight = Regridder(model.ground()["height"]).transform.grid.area.reshape(48, 96) / (4 * np.pi)
    land = (model.ground()["land"] * weight).sum()
    assert 0.25 < land < 0.35  # the Earth's share is 0.29


def test_the_air_keeps_its_mass_and_weighs_what_the_earth_s_does(model, states):
    """The mean of ln ps is kept exactly, and so the mass to the variance of ln ps."""
    means = [model.view(state)["coefficients"][40, 0] for state in states[1:]]
    assert means[0] == means[1]
    assert 0.96 < np.exp(means[0] / np.sqrt(4 * np.pi)) < 1.0  # the Earth's is 0.985


def test_a_stored_state_goes_on_with_the_same_bits(model, states, tmp_path):
    nature.save_state(tmp_path / "state.npz", states[1])
    again = model.frame(nature.load_state(tmp_path / "state.npz", states[0]))
    for name, array in model.view(states[2]).items():
        np.testing.assert_array_equal(array, model.view(again)[name])


def test_the_model_s_winds_are_the_regridder_s(model, states):
    frame = model.view(states[2])["coefficients"][None]
    transform = Regridder(model.ground()["height"]).transform
    mine = transform.winds(frame[:, :8], frame[:, 8:16])
    nodal = model.model.dycore.to_physics_state(states[2].dynamics)
    for theirs, ours in zip((nodal.u_wind, nodal.v_wind), mine, strict=True):
        theirs = np.asarray(theirs).swapaxes(1, 2).reshape(8, -1)
        np.testing.assert_allclose(ours[0], theirs, atol=1e-3)
