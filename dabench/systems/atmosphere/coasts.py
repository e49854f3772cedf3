"""What of a stationary field lies outside the band of the states: edges of coasts and mountains.

A state is a field in the band of degrees 0 to 31, in which it varies, and one map a channel that
does not change. Differences of states do not see the map, nor does the diffusion.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dabench.systems.atmosphere.files import GROUND
from dabench.systems.atmosphere.grid import grid
from dabench.systems.sphere.harmonics import Harmonics

COASTS = "coasts"  # name of the coefficients in the file
COAST_LMAX = 44  # what a grid of four degrees holds


def load(folder: Path, resolution: float) -> Float[np.ndarray, "channel point"] | None:
    """The maps on a grid, float32; None where there are none."""
    path = folder / GROUND
    if not path.exists():
        return None
    with np.load(path) as file:
        coefficients = jnp.asarray(file[COASTS], jnp.float32)
    return np.asarray(Harmonics(*grid(resolution), COAST_LMAX).synthesise(coefficients))
