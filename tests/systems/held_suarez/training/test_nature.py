"""The nature run; needs dinosaur, an optional package, which promotes ranks silently."""

import jax
import numpy as np
import pytest

pytest.importorskip("dinosaur")

from dabench.systems.held_suarez.training import nature, regrid

PASCAL_FLOAT32 = 0.9  # log pressure of 45 has float32 units of 0.38 Pa, its mean's coefficient 0.43
SETTINGS = nature.NatureSettings(
    members=1, spinup_days=1, branch_days=0, frames=2, segment_frames=1
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def as_dinosaur_needs():
    with jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory, as_dinosaur_needs):
    path = tmp_path_factory.mktemp("nature")
    nature.run(path, SETTINGS)
    return path


@pytest.fixture(scope="module")
def model(as_dinosaur_needs):
    return nature.Nature()


def test_mean_surface_pressure_stays_at_its_value(folder, model):
    for segment in (0, 1, 2):
        state = nature.unpack(np.load(nature.segment_path(folder, 0, segment)))
        assert abs(float(model.mean_pressure(state)) - 1e5) < PASCAL_FLOAT32


def test_an_interrupted_run_ends_with_the_same_bits(folder):
    last = nature.segment_path(folder, 0, 2)
    before = dict(np.load(last))
    last.unlink()
    nature.run(folder, SETTINGS)
    after = dict(np.load(last))
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name])


def test_the_model_s_winds_are_the_regridder_s(folder, model):
    from dinosaur import spherical_harmonic

    arrays = dict(np.load(nature.segment_path(folder, 0, 2)))
    state = nature.unpack(arrays)
    u, v = spherical_harmonic.vor_div_to_uv_nodal(model.grid, state.vorticity, state.divergence)
    vorticity, divergence = np.split(arrays["coefficients"][:, :16], 2, axis=1)
    mine = regrid.Regridder().winds(vorticity, divergence)
    for theirs, ours in zip((u, v), mine, strict=True):
        theirs = np.asarray(theirs).swapaxes(1, 2).reshape(8, -1) * regrid.WIND_UNIT
        np.testing.assert_allclose(ours[0], theirs, atol=1e-3)
