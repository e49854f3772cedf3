"""The nature run; needs dinosaur, an optional package."""

import jax
import numpy as np
import pytest

pytest.importorskip("dinosaur")

from dabench.systems.held_suarez import data, nature

PASCAL_FLOAT32 = 0.05  # of a mean of 1e5 Pa


@pytest.fixture(scope="module")
def two_days(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nature")
    settings = nature.NatureSettings(
        members=1, spinup_days=1, branch_days=0, frames=2, segment_frames=1
    )
    nature.run(folder, settings)
    return folder, settings


@pytest.mark.slow
def test_mean_surface_pressure_stays_at_its_value(two_days):
    folder, _ = two_days
    with jax.enable_x64(False):
        model = nature.Nature()
        for segment in (0, 1, 2):
            state = nature.unpack(np.load(nature.segment_path(folder, 0, segment)))
            assert abs(float(model.mean_pressure(state)) - 1e5) < PASCAL_FLOAT32


@pytest.mark.slow
def test_an_interrupted_run_ends_with_the_same_bits(two_days):
    folder, settings = two_days
    last = nature.segment_path(folder, 0, 2)
    before = last.read_bytes()
    last.unlink()
    nature.run(folder, settings)
    assert last.read_bytes() == before


@pytest.mark.slow
def test_the_model_s_winds_are_the_regridder_s(two_days):
    from dinosaur import spherical_harmonic

    folder, _ = two_days
    with np.load(nature.segment_path(folder, 0, 2)) as arrays, jax.enable_x64(False):
        model, state = nature.Nature(), nature.unpack(arrays)
        u, v = spherical_harmonic.vor_div_to_uv_nodal(model.grid, state.vorticity, state.divergence)
        mine = data.Regridder().winds(
            arrays["coefficients"][:, :8], arrays["coefficients"][:, 8:16]
        )
    for theirs, ours in zip((u, v), mine, strict=True):
        theirs = np.asarray(theirs).swapaxes(1, 2).reshape(8, -1) * data.WIND_UNIT
        np.testing.assert_allclose(ours[0], theirs, atol=1e-3)
