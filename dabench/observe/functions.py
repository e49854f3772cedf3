"""Functions of several values of a state at a place: wind, pressure at the ground, water vapour."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.layout import Layout
from dabench.core.units import GRAVITY
from dabench.observe.stations import Stations

GAS = 287.053  # J kg-1 K-1, dry air
LAPSE_RATE = 0.0065  # K m-1, of the standard atmosphere below 11 km
SEA_LEVEL = (1013.25, 288.15)  # hPa and K, of the standard atmosphere
CALM = 1.0  # m s-1, below which a wind has no direction that could be reported

Function = Callable[[Float[Array, "part station"]], Float[Array, "station"]]
"""Values of the parts of an observed variable at every station -> the variable."""


class Site(NamedTuple):
    """Heights and levels that a function may depend on.

    Arguments:
        ground: Height of the model's ground at each station in m; zero where it is not known.
        height: Height of each station in m; None where it is not known.
        levels: Levels of the parts in hPa.
    """

    ground: Float[np.ndarray, "station"]
    height: Float[np.ndarray, "station"] | None
    levels: tuple[float, ...] = ()


def site(stations: Stations, layout: Layout, levels: tuple[float, ...]) -> Site:
    """The heights at some stations, the ground's interpolated as fields are."""
    heights = np.zeros(layout.points) if layout.height is None else layout.height
    ground = (np.asarray(heights, float)[stations.index] * stations.weight).sum(-1)
    return Site(ground, stations.height, levels)


def speed(wind: Float[Array, "2 station"]) -> Float[Array, "station"]:
    """|(u, v)|, with the gradient at rest, where it is undefined, set to zero."""
    square = wind[0] ** 2 + wind[1] ** 2
    calm = square == 0
    return jnp.where(calm, 0.0, jnp.sqrt(jnp.where(calm, 1.0, square)))


@jax.custom_jvp
def direction(wind: Float[Array, "2 station"]) -> Float[Array, "station"]:
    """The direction that a wind comes from, in degrees from north over east, from 0 to 360.

    Its gradient, (v, -u) / |(u, v)|², grows without bounds towards calm. Below 1 m/s the square is
    taken to be 1 m²/s², so that a weak wind is turned by no more than that; at rest the direction
    counts as 0 and the gradient is zero.
    """
    u, v = wind
    calm = (u == 0) & (v == 0)
    angle = jnp.degrees(jnp.arctan2(-u, jnp.where(calm, 1.0, -v))) % 360
    return jnp.where(angle < 360, angle, 0.0)  # a remainder may round to 360


@direction.defjvp
def _turned(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (u, v), (du, dv) = primals[0], tangents[0]
    square = jnp.maximum(u**2 + v**2, CALM**2)
    return direction(primals[0]), jnp.degrees((v * du - u * dv) / square)


def weighted(weights: Float[np.ndarray, "part #station"]) -> Function:
    """The sum over the parts, times their weights."""
    return lambda values: (values * jnp.asarray(weights, values.dtype)).sum(0)


def station_temperature(site: Site) -> Function:
    """2 m temperature, from the model's ground to the station by the standard lapse rate.

    T + 6.5 K/km (z_model - z_station), as verification of forecasts has it.

    Source: U.S. Standard Atmosphere (1976), table 4, for the lapse rate.
    """
    assert site.height is not None
    warmer = LAPSE_RATE * (site.ground - site.height)
    return lambda values: values[0] + jnp.asarray(warmer, values.dtype)


def surface_pressure(site: Site) -> Function:
    """Pressure at the model's ground."""
    return station_pressure(site._replace(height=site.ground))


def station_pressure(site: Site) -> Function:
    """Pressure at the station, from mean sea-level pressure and 2 m temperature."""
    assert site.height is not None
    ground, height = site.ground, site.height

    def pressure(values: Float[Array, "2 station"]) -> Float[Array, "station"]:
        at_sea = values[1] + jnp.asarray(LAPSE_RATE * ground, values.dtype)
        return raised(values[0], at_sea, jnp.asarray(height, values.dtype))

    return pressure


def raised(pressure: Any, temperature: Any, height: Any, lapse_rate: float = LAPSE_RATE) -> Any:
    """The pressure above a place in hydrostatic balance, with a constant lapse rate.

        p (1 - L z / T)^(g / R L)

    Arguments:
        pressure, temperature: At the place; temperature in K.
        height: Height above it in m; below it where negative.
        lapse_rate: L in K/m.
    Source: U.S. Standard Atmosphere (1976), equation 33a.
    """
    return pressure * (1 - lapse_rate * height / temperature) ** (GRAVITY / (GAS * lapse_rate))


def column(site: Site) -> Function:
    """Mass over an area of what the parts are the share of, the integral over p / g.

    From the top level down to the pressure that the standard atmosphere has at the model's ground;
    linear in p between levels, and constant below the lowest. There is nothing above the top level,
    and levels below the ground do not count.
    """
    bottom = raised(*SEA_LEVEL, site.ground)
    return weighted(pressure_weights(np.array(site.levels), bottom) * 100 / GRAVITY)


def pressure_weights(
    levels: Float[np.ndarray, "level"], bottom: Float[np.ndarray, "station"]
) -> Float[np.ndarray, "level station"]:
    """Weights of values at levels in the integral over p of the line through them, in hPa.

    Arguments:
        levels: Pressures in hPa, in any order.
        bottom: Where the integral ends; it begins at the smallest pressure.
    """
    order = np.argsort(levels)
    p, weights = levels[order], np.zeros((len(levels), len(bottom)))
    for i, (upper, lower) in enumerate(itertools.pairwise(p)):
        share = np.clip((bottom - upper) / (lower - upper), 0, 1)
        weights[i] += (lower - upper) * (share - share**2 / 2)
        weights[i + 1] += (lower - upper) * share**2 / 2
    weights[-1] += np.maximum(bottom - p[-1], 0)
    return weights[np.argsort(order)]


MAKERS: dict[str, Callable[[Site], Function]] = {
    "wind_speed": lambda _: speed,
    "wind_direction": lambda _: direction,
    "10m_wind_speed": lambda _: speed,
    "10m_wind_direction": lambda _: direction,
    "surface_pressure": surface_pressure,
    "station_pressure": station_pressure,
    "station_temperature": station_temperature,
    "total_column_water_vapour": column,
}
"""Derived variable -> its function at a site."""
