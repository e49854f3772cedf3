"""Swaths of satellites: the strips of the Earth that their instruments scan beneath them."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import KDTree

from dabench.scenario.locations import Satellites

EARTH_RADIUS_KM = 6371.0
DAY = 24 * 3600.0
"""Seconds in which the Earth turns once below the orbits.

It is a solar day, since the plane of a sun-synchronous orbit turns with the Sun, once a year.
"""


def in_swaths(
    where: Satellites,
    latitude: Float[np.ndarray, "point"],
    longitude: Float[np.ndarray, "point"],
    cycle: int = 0,
) -> Bool[np.ndarray, "point"]:
    """Whether each point lies within half a swath of a ground track, by great-circle distance.

    Arguments:
        where: The orbits, and the hours and the width of the scan.
        latitude: Degrees.
        longitude: Degrees.
        cycle: Number of cycles whose hours have passed.
    """
    track = np.concatenate([ground_track(where, i, cycle) for i in range(where.satellites)])
    reach = 2 * np.sin(where.swath / EARTH_RADIUS_KM / 4)
    # The search may end a little beyond the reach, where rounding decides nothing.
    chord, _ = KDTree(track).query(
        unit_vectors(latitude, longitude), distance_upper_bound=1.01 * reach
    )
    return chord <= reach


def ground_track(
    where: Satellites, satellite: int, cycle: int = 0
) -> Float[np.ndarray, "second 3"]:
    """Unit vectors to the places below one satellite, one a second.

    A satellite is at its ascending node, going north over the equator, when the first hours begin.

    Arguments:
        where: The orbits.
        satellite: Number of the satellite.
        cycle: Number of cycles whose hours have passed.
    """
    length = int(where.hours * 3600)
    second = cycle * length + np.arange(length + 1)
    angle = 2 * np.pi * second / (where.period * 60)
    tilt = np.radians(where.inclination)
    plane = where.node + 180 * satellite / where.satellites
    node = np.radians(plane) - 2 * np.pi * second / DAY
    along, across = np.cos(angle), np.cos(tilt) * np.sin(angle)
    x = np.cos(node) * along - np.sin(node) * across
    y = np.sin(node) * along + np.cos(node) * across
    return np.stack([x, y, np.sin(tilt) * np.sin(angle)], -1)


def unit_vectors(
    latitude: Float[np.ndarray, "point"], longitude: Float[np.ndarray, "point"]
) -> Float[np.ndarray, "point 3"]:
    """Vectors from the centre of a unit sphere to places in degrees."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
