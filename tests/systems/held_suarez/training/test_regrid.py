"""Regridding against states whose channels are known in closed form."""

import numpy as np
import pytest

from dabench.systems.held_suarez import channels, harmonics, int16
from dabench.systems.held_suarez.training import nature
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
    model[0, 16:24, 0] = (250.0 - nature.REFERENCE_KELVIN) * np.sqrt(4 * np.pi)
    scale_height = data.GAS_CONSTANT * 250.0
    log_pressure = np.log(1e5) - regrid.surface_geopotential / scale_height
    model[0, 24] = log_pressure @ regrid.analysis
    model[0, 24, 0] += data.LOG_PASCAL * np.sqrt(4 * np.pi)
    return model


def test_winds_of_solid_rotation_are_the_cosine_of_latitude(regrid, solid_rotation):
    fields = regrid.on_grid(solid_rotation)
    cos = np.cos(np.radians(regrid.grid.lat)).repeat(len(regrid.grid.lon))
    for level in channels.LEVELS:
        u, v = (fields[f"{c}_component_of_wind", level][0] for c in "uv")
        np.testing.assert_allclose(u, SPEED * cos, atol=1e-3)
        np.testing.assert_allclose(v, 0, atol=1e-3)


def test_isothermal_rest_has_the_barometric_formula_s_geopotential(regrid, solid_rotation):
    fields = regrid.on_grid(solid_rotation)
    scale_height = data.GAS_CONSTANT * 250.0
    for level in channels.LEVELS:
        expected = scale_height * np.log(1000.0 / level)
        # float32: half a unit of the mean log pressure's coefficient is 0.15, eight units of
        # the largest geopotential 0.13
        np.testing.assert_allclose(fields["geopotential", level], expected, rtol=0, atol=0.3)


def test_pressure_levels_are_linear_in_log_pressure_and_clamped_below_ground():
    depth = np.log(np.array([2e4, 5e4, 8e4]))[None, :, None]
    bottom = np.log(np.array([[[9e4]]]))
    values, ground = 3.0 * depth, 3.0 * depth[:, -1:]
    inside = data.at_pressure(650.0, depth, bottom, values, ground)
    np.testing.assert_allclose(inside, 3 * np.log(6.5e4), rtol=1e-7)
    below = data.at_pressure(950.0, depth, bottom, values, ground)
    np.testing.assert_allclose(below, 3 * np.log(8e4), rtol=1e-12)
    straight = data.at_pressure(950.0, depth, bottom, values, 3.0 * bottom, extrapolate=True)
    np.testing.assert_allclose(straight, 3 * np.log(9.5e4), rtol=1e-7)


def test_gradient_is_the_derivative_of_the_basis():
    lat, lon, h = np.array([-50.0, 12.0, 71.0]), np.array([3.0, 200.0]), 1e-3
    slope = harmonics.gradient(lat, lon)
    up, down = (harmonics.basis(lat + s * h, lon) for s in (1, -1))
    cos = np.cos(np.radians(lat)).repeat(2)
    np.testing.assert_allclose(slope.north, cos * (up - down) / np.radians(2 * h), atol=1e-5)
    up, down = (harmonics.basis(lat, lon + s * h) for s in (1, -1))
    np.testing.assert_allclose(slope.east, (up - down) / np.radians(2 * h), atol=1e-5)


def test_statistics_are_those_of_the_area_weighted_fields():
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((6, 24, 1024)) * 0.1 + np.eye(1, 1024)[None] * 5
    grid = harmonics.gaussian_grid()
    fields = frames @ harmonics.basis(grid.lat, grid.lon)
    weight = grid.weight.repeat(len(grid.lon)) / 2 / len(grid.lon)
    mean = (fields @ weight).mean(0)
    found = data.statistics([frames.astype(np.float32)])
    np.testing.assert_allclose(found.mean, mean, rtol=1e-5)
    variance = (((fields - mean[:, None]) ** 2) @ weight).mean(0)
    np.testing.assert_allclose(found.std, np.sqrt(variance), rtol=1e-5)
    steps = ((np.diff(fields, axis=0) ** 2) @ weight).mean(0)
    np.testing.assert_allclose(found.diff_std, np.sqrt(steps), rtol=1e-5)


def test_packing_rounds_to_half_a_unit_of_each_degree():
    frames = np.random.default_rng(1).standard_normal((5, 24, 1024)).astype(np.float32)
    ints = int16.pack(frames)
    unit = ints.scale[:, harmonics.degrees()]
    error = np.abs(int16.unpack(ints) - frames)
    assert (error <= 0.5 * unit + 1e-6).all()
