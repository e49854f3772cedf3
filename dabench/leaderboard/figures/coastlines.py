"""The coasts of the Earth and the land of SPEEDY, for maps of systems that live on the Earth.

`docs/coastlines.py` makes their file and says where it comes from.
"""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

FILE = Path(__file__).parent / "coastlines.npz"
STEP = 1 / 150
"""Degrees of a unit in the file; 180 degrees fit into 16 bits."""

ON_EARTH = ("gencast", "speedy")
"""Systems whose longitudes and latitudes are places on the Earth."""
ON_SPEEDY = "speedy"
"""The system whose land is known."""

Line = Float[np.ndarray, "place 2"]
Mask = Bool[np.ndarray, "latitude longitude"]


@cache
def coastlines() -> list[Line]:
    """Longitude (-180 to 180) and latitude in degrees along every coast."""
    with np.load(FILE) as file:
        return np.split(file["places"] * STEP, np.cumsum(file["lengths"])[:-1])


@cache
def land() -> Mask:
    """Where more than half of SPEEDY's smoothed mask is land: equally spaced latitudes, both poles
    among them, from south to north, and longitudes from 0.
    """
    with np.load(FILE) as file:
        rows, columns = file["land_shape"]
        bits = np.unpackbits(file["land"], count=int(rows) * int(columns))
    return bits.reshape(rows, columns).astype(bool)
