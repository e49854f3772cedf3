"""The fields of the dry atmosphere, and its four mountains."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dabench.systems.atmosphere.atmosphere import LMAX, Atmosphere, Ground
from dabench.systems.held_suarez.files import FILES
from dabench.systems.sphere import gaussian
from dabench.systems.sphere.harmonics import degrees

RADIUS, OMEGA, GRAVITY = 6.37122e6, 7.292e-5, 9.80616  # SI, as in dinosaur
UPPER = {
    "geopotential": "m**2 s**-2",
    "temperature": "K",
    "u_component_of_wind": "m s**-1",
    "v_component_of_wind": "m s**-1",
}
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


def surface_height() -> Float[np.ndarray, "coefficient"]:
    """Coefficients of the smoothed orography in m, the one the nature run feels."""
    grid = gaussian.gaussian_grid()
    height = orography(grid.lat[:, None], grid.lon[None]).ravel()
    taper = np.exp(-((degrees(LMAX) / LMAX) ** 4))
    return height @ gaussian.analysis(grid, LMAX) * taper


def ground(folder: Path) -> Ground:
    """Surface geopotential, which needs no file."""
    del folder
    return {"geopotential_at_surface": GRAVITY * surface_height()}


HELD_SUAREZ = Atmosphere(
    name="held_suarez",
    title="a dry atmosphere with Held-Suarez forcing over four mountains",
    upper=UPPER,
    levels=(100, 250, 500, 700, 850),
    static=("geopotential_at_surface",),
    ground=ground,
    files=FILES,
)
