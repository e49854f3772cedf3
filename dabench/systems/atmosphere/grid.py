"""The grids on which states are held, and the noise of diffusion on them."""

import numpy as np

from dabench.systems.atmosphere.atmosphere import LMAX
from dabench.systems.sphere.gaussian import area_weights
from dabench.systems.sphere.noise import SphereNoise


def grid(resolution: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes (both poles) and longitudes in degrees, ascending."""
    return (
        np.linspace(-90.0, 90.0, round(180 / resolution) + 1),
        np.arange(round(360 / resolution)) * resolution,
    )


def sphere_noise(resolution: float = 4.0) -> SphereNoise:
    """Noise of equal power in degrees 0 to 31, whatever the grid."""
    lat, lon = grid(resolution)
    return SphereNoise(lat, lon, LMAX, weights=area_weights(lat))
