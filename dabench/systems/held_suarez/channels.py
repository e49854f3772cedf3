"""The fields of the embedded atmosphere, its orography, and how fields are normalised."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dabench.core.layout import Channel
from dabench.systems.held_suarez import harmonics

RADIUS, OMEGA, GRAVITY = 6.37122e6, 7.292e-5, 9.80616  # SI, as in dinosaur


LEVELS = (100, 250, 500, 700, 850)


SURFACE = {
    "10m_u_component_of_wind": "m s**-1",
    "10m_v_component_of_wind": "m s**-1",
    "2m_temperature": "K",
    "mean_sea_level_pressure": "Pa",
}


UPPER = {
    "geopotential": "m**2 s**-2",
    "temperature": "K",
    "u_component_of_wind": "m s**-1",
    "v_component_of_wind": "m s**-1",
}


def channels() -> tuple[Channel, ...]:
    """The 24 fields in GenCast's stacking order: names sorted as ASCII, levels ascending."""
    fields = [Channel(name, units) for name, units in SURFACE.items()]
    fields += [Channel(name, units, level) for name, units in UPPER.items() for level in LEVELS]
    return tuple(sorted(fields, key=lambda c: (c.name, c.level or 0)))


Coefficients = Float[np.ndarray, "frame channel coefficient"]


def surface_height() -> Float[np.ndarray, "coefficient"]:
    """Coefficients of the smoothed orography in m, the one the nature run feels."""
    grid = harmonics.gaussian_grid()
    height = orography(grid.lat[:, None], grid.lon[None]).ravel()
    taper = np.exp(-((harmonics.degrees() / harmonics.LMAX) ** 4))
    return height @ harmonics.analysis(grid) * taper


def static_statistics() -> tuple[float, float]:
    """Area mean and standard deviation of the surface geopotential."""
    geopotential = GRAVITY * surface_height() / np.sqrt(4 * np.pi)
    return float(geopotential[0]), float(np.sqrt((geopotential[1:] ** 2).sum()))


class Statistics(NamedTuple):
    """Normalisation: area- and time-mean, standard deviation, and that of 12-hour differences."""

    mean: Float[np.ndarray, "channel"]
    std: Float[np.ndarray, "channel"]
    diff_std: Float[np.ndarray, "channel"]


# height in m, latitude, longitude, half-widths in latitude and longitude, all in degrees
MOUNTAINS = (
    (2000.0, 35.0, 90.0, 12.0, 22.0),
    (1800.0, 45.0, 255.0, 16.0, 10.0),
    (1500.0, -20.0, 290.0, 18.0, 9.0),
    (1200.0, -5.0, 30.0, 14.0, 12.0),
)


def orography(lat: NDArray, lon: NDArray) -> NDArray:
    """Height in m of the four Gaussian mountains at `lat`, `lon` (degrees, broadcast)."""
    height = np.zeros(np.broadcast_shapes(lat.shape, lon.shape))
    for top, lat0, lon0, dlat, dlon in MOUNTAINS:
        away = (lon - lon0 + 180.0) % 360.0 - 180.0
        height = height + top * np.exp(-(((lat - lat0) / dlat) ** 2) - (away / dlon) ** 2)
    return height
