"""Regridding SPEEDY's states against atmospheres that are known in closed form."""

import numpy as np
import pytest

from dabench.systems.speedy.channels import GRAVITY, SPEEDY
from dabench.systems.speedy.training import regrid

SPEED = 25.0  # m/s at the equator
SURFACE_KELVIN = 288.0
ROUNDING = 2e-6  # of float32 sums over a thousand terms, relative


@pytest.fixture(scope="module")
def regridder():
    lat = regrid.Regridder(np.zeros((48, 96))).transform.grid.lat
    hill = 1500.0 * np.exp(-(((lat - 40) / 15) ** 2))
    return regrid.Regridder(np.repeat(hill[:, None], 96, 1))


@pytest.fixture(scope="module")
def column(regridder):
    """Heights and temperatures of an atmosphere that cools by 6.5 K/km all the way up."""
    surface = regridder.surface_geopotential / GRAVITY
    ground = SURFACE_KELVIN - regrid.LAPSE_RATE * surface
    pressure = 101325.0 * (ground / SURFACE_KELVIN) ** (1 / regrid.FALL)
    temperature = ground[None] * regrid.SIGMA[:, None] ** regrid.FALL
    height = (SURFACE_KELVIN - temperature) / regrid.LAPSE_RATE
    return pressure, temperature, GRAVITY * height


@pytest.fixture(scope="module")
def fields(regridder, column):
    """The channels of that atmosphere in solid rotation, as if its spectra were complete."""
    pressure, temperature, geopotential = column
    model = np.zeros((1, 41, 1024), np.float32)
    # u = U cos(lat) has vorticity 2 U sin(lat) / a, and sin(lat) = sqrt(4π/3) Y(1, 0).
    model[0, :8, 1] = 2 * SPEED / regrid.RADIUS * np.sqrt(4 * np.pi / 3)
    analyse = regridder.transform.analyse
    model[0, 16:24] = analyse(temperature.astype(np.float32))
    model[0, 24:32] = 1e-3 * np.sqrt(4 * np.pi) * np.eye(1, 1024)
    model[0, 32:40] = analyse(geopotential.astype(np.float32))
    model[0, 40] = analyse(np.log(pressure / 1e5).astype(np.float32)[None])[0]
    surface = np.zeros((1, 3, 48, 96), np.float32)
    surface[:, 0], surface[:, 1] = 280.0, 3.0
    return regridder.on_grid(model, surface)


def test_every_channel_is_there(fields):
    assert set(fields) == {(c.name, c.level) for c in SPEEDY.channels}
    assert len(SPEEDY.channels) == 39


def test_winds_and_humidity_are_the_lowest_layer_s_below_it(fields, regridder):
    grid = regridder.transform.grid
    for level in SPEEDY.levels:
        wind = fields["u_component_of_wind", level][0].reshape(48, 96)
        np.testing.assert_allclose(wind[:, 0], SPEED * np.cos(np.radians(grid.lat)), atol=1e-3)
        np.testing.assert_allclose(fields["specific_humidity", level], 1e-3, rtol=1e-4)


def test_below_the_lowest_layer_temperature_and_height_are_the_standard_atmosphere_s(fields):
    level = 925.0
    kelvin = SURFACE_KELVIN * (level / 1013.25) ** regrid.FALL
    height = GRAVITY * (SURFACE_KELVIN - kelvin) / regrid.LAPSE_RATE
    # Between layers 0.129 apart in ln p a straight line misses a curve by at most 0.129^2 / 8 of
    # its second derivative, which is 0.19^2 T for temperature and 0.19 R T for geopotential.
    np.testing.assert_allclose(fields["temperature", 925], kelvin, atol=0.03)
    np.testing.assert_allclose(fields["geopotential", 925], height, atol=33.0)


def test_sea_level_pressure_of_the_standard_atmosphere_is_1013_hpa(fields):
    """The series of the reduction leaves out its fourth order: 0.1 Pa for a hill of 1500 m."""
    np.testing.assert_allclose(fields["mean_sea_level_pressure", None], 101325.0, atol=1.5)


def test_hot_and_cold_ground_is_tempered(regridder):
    """At sea nothing changes; over the hill the reduction stays between limits."""
    pressure = np.full((1, 4608), 9e4, np.float32)
    for kelvin in (230.0, 310.0):
        reduced = regridder.sea_level(pressure, np.full((1, 4608), kelvin, np.float32))[0]
        flat = regridder.surface_geopotential < 1e-3
        np.testing.assert_allclose(reduced[flat], 9e4, rtol=ROUNDING)
        column = (255.0 + 230.0) / 2 if kelvin < 255 else 290.5
        thin = 9e4 * np.exp(regridder.surface_geopotential / (regrid.GAS_CONSTANT * column))
        assert (np.abs(reduced / thin - 1) < 0.03).all()


def test_what_is_outside_the_band_and_what_is_inside_make_the_whole(regridder):
    rng = np.random.default_rng(0)
    fields = {(c.name, c.level): rng.standard_normal((3, 4608)) for c in SPEEDY.channels}
    inside, outside = regridder.transform.band(fields, SPEEDY)
    whole = np.stack([fields[c.name, c.level] for c in SPEEDY.channels], 1).mean(0)
    np.testing.assert_allclose(
        regridder.transform.synthesise(inside.mean(0)) + outside, whole, atol=1e-5
    )
    np.testing.assert_allclose(regridder.transform.analyse(outside), 0, atol=1e-5)
