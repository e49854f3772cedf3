"""Regridding against states whose channels are known in closed form."""

import numpy as np
import pytest

from dabench.systems.atmosphere.training.levels import at_pressure
from dabench.systems.held_suarez.channels import HELD_SUAREZ
from dabench.systems.held_suarez.training import dynamics
from dabench.systems.held_suarez.training import regrid as data

SPEED = 25.0  # m/s at the equator


@pytest.fixture(scope="module")
def regrid():
    return data.Regridder()


@pytest.fixture(scope="module")
def solid_rotation(regrid):
    """An isothermal atmosphere in solid rotation, with surface pressure in balance with nothing."""
    model = np.zeros((1, 25, 1024), np.float32)
    # u = U cos(lat) has vorticity 2 U sin(lat) / a, and sin(lat) = sqrt(4π/3) Y(1, 0).
    model[0, :8, 1] = 2 * SPEED / data.WIND_UNIT * np.sqrt(4 * np.pi / 3)
    model[0, 16:24, 0] = (250.0 - dynamics.REFERENCE_KELVIN) * np.sqrt(4 * np.pi)
    scale_height = data.GAS_CONSTANT * 250.0
    log_pressure = np.log(1e5) - regrid.surface_geopotential / scale_height
    model[0, 24] = log_pressure @ regrid.transform.analysis
    model[0, 24, 0] += data.LOG_PASCAL * np.sqrt(4 * np.pi)
    return model


def test_winds_of_solid_rotation_are_the_cosine_of_latitude(regrid, solid_rotation):
    fields = regrid.on_grid(solid_rotation)
    cos = np.cos(np.radians(regrid.transform.grid.lat)).repeat(len(regrid.transform.grid.lon))
    for level in HELD_SUAREZ.levels:
        u, v = (fields[f"{c}_component_of_wind", level][0] for c in "uv")
        np.testing.assert_allclose(u, SPEED * cos, atol=1e-3)
        np.testing.assert_allclose(v, 0, atol=1e-3)


def test_isothermal_rest_has_the_barometric_formula_s_geopotential(regrid, solid_rotation):
    fields = regrid.on_grid(solid_rotation)
    scale_height = data.GAS_CONSTANT * 250.0
    for level in HELD_SUAREZ.levels:
        expected = scale_height * np.log(1000.0 / level)
        # float32: half a unit of the mean log pressure's coefficient is 0.15, eight units of
        # the largest geopotential 0.13
        np.testing.assert_allclose(fields["geopotential", level], expected, rtol=0, atol=0.3)


def test_pressure_levels_are_linear_in_log_pressure_and_clamped_below_ground():
    depth = np.log(np.array([2e4, 5e4, 8e4]))[None, :, None]
    bottom = np.log(np.array([[[9e4]]]))
    values, ground = 3.0 * depth, 3.0 * depth[:, -1:]
    inside = at_pressure(650.0, depth, bottom, values, ground)
    np.testing.assert_allclose(inside, 3 * np.log(6.5e4), rtol=1e-7)
    below = at_pressure(950.0, depth, bottom, values, ground)
    np.testing.assert_allclose(below, 3 * np.log(8e4), rtol=1e-12)
    straight = at_pressure(950.0, depth, bottom, values, 3.0 * bottom, extrapolate=True)
    np.testing.assert_allclose(straight, 3 * np.log(9.5e4), rtol=1e-7)
