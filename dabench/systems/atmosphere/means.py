"""What the global means of a state obey: air keeps its mass, and heights follow temperatures.

A network knows neither, and lets its means drift from cycle to cycle. Of a target, a difference of
12 hours, the means m (one a channel, in units of the difference's standard deviation) are replaced
by M m: nothing for sea-level pressure, and for geopotential what the means of temperature make of
it, a linear relation that holds to one or two per cent of the variance above 700 hPa.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.systems.atmosphere.atmosphere import LMAX, Atmosphere, Coefficients, Statistics
from dabench.systems.atmosphere.grid import grid
from dabench.systems.sphere.gaussian import area_weights
from dabench.systems.sphere.noise import SphereNoise

MEANS = "means"  # name of the matrix in the file
KEPT, FOLLOWING = "mean_sea_level_pressure", "geopotential"

Relation = Float[np.ndarray, "channel channel"]


def relation(
    atmosphere: Atmosphere, members: list[Coefficients], statistics: Statistics
) -> Relation:
    """M, by least squares over the members' differences of 12 hours."""
    unit = statistics.diff_std * np.sqrt(4 * np.pi)
    steps = [np.diff(m[:, :, 0].astype(np.float64), axis=0) / unit for m in members]
    names = np.array([channel.name for channel in atmosphere.channels])
    leading = np.flatnonzero(np.char.find(names, "temperature") >= 0)
    following = np.flatnonzero(names == FOLLOWING)
    means = np.concatenate(steps)
    slopes, *_ = np.linalg.lstsq(means[:, leading], means[:, following], rcond=None)
    matrix = np.diag((names != KEPT) & (names != FOLLOWING)).astype(float)
    matrix[np.ix_(following, leading)] = slopes.T
    return matrix


def load_relation(path: Path) -> Relation:
    """M, out of any file that has it."""
    with np.load(path) as file:
        return file[MEANS]


class ConservingNoise(SphereNoise):
    """Noise of equal power in degrees 0 to 31, whose projection makes the means obey M.

    Fields to project are (..., channel, point), all channels of a target.
    """

    def __init__(self, resolution: float, means: Relation) -> None:
        lat, lon = grid(resolution)
        super().__init__(lat, lon, LMAX, weights=area_weights(lat))
        # The mean of a field in the band is a weighted sum over the points, found by transposition.
        first = jnp.zeros((1, (LMAX + 1) ** 2)).at[0, 0].set((4 * np.pi) ** -0.5)
        zero = jnp.zeros((1, len(lat) * len(lon)))
        self._mean = np.asarray(jax.linear_transpose(self.analyse, zero)(first)[0][0])
        self._change = means - np.eye(len(means))

    def project(self, x: Float[Array, "*members channel point"]) -> Array:
        """The nearest field in the band, its means replaced."""
        inside = super().project(x)
        mean = inside @ jnp.asarray(self._mean, x.dtype)
        return inside + (mean @ jnp.asarray(self._change.T, x.dtype))[..., None]
