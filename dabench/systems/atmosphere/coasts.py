"""What of the stationary fields lies outside the band of the states: edges of coasts and mountains.

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


Coasts = Float[np.ndarray, "channel point"]


def load_coasts(folder: Path, resolution: float) -> Coasts:
    """The maps on a grid, float32; `folder` has the shipped files."""
    with np.load(folder / GROUND) as file:
        coefficients = jnp.asarray(file[COASTS], jnp.float32)
    return np.asarray(Harmonics(*grid(resolution), COAST_LMAX).synthesise(coefficients))
