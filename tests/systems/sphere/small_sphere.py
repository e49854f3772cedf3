"""A sphere small enough for closed forms: its grids, their unit vectors, noise of few degrees."""

import numpy as np

LMAX = 10
LATITUDE, LONGITUDE = np.linspace(-90, 90, 13), np.arange(24) * 15.0
FINE = np.linspace(-90, 90, 25), np.arange(48) * 7.5


def points() -> np.ndarray:
    """Unit vectors of the grid, latitude-major, by the textbook formula."""
    lat, lon = (
        a.ravel() for a in np.meshgrid(np.deg2rad(LATITUDE), np.deg2rad(LONGITUDE), indexing="ij")
    )
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
