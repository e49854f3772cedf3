"""The network's output, calibrated degree by degree.

The smallest scales of a smooth field have next to no power, and a network's error there can be
larger than what it is to forecast: cycle after cycle it adds up to many times the climate's power.
In every channel and degree l, the output D is therefore replaced by

    a(l) D + b(l) x

with x the last frame, normalised. At each noise level a and b are those that come nearest to the
targets of training (least squares, as in a Wiener filter). Means, of l = 0, stay as they are.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.systems.atmosphere.atmosphere import LMAX
from dabench.systems.sphere.harmonics import degrees

Coefficients = Float[Array, "member channel coefficient"]


class Calibration(NamedTuple):
    """Weights a and b.

    Arguments:
        sigma: Noise levels, ascending.
        weights: a and b at each of them.
    """

    sigma: Float[np.ndarray, "level"]
    weights: Float[np.ndarray, "level channel degree 2"]

    def at(self, sigma: Float[Array, ""]) -> Callable[[Coefficients, Coefficients], Coefficients]:
        """The function (D, x) -> calibrated D at a noise level, all of them coefficients.

        Weights between two noise levels are interpolated in log sigma, and constant beyond them.
        """
        nodes = jnp.log(jnp.asarray(self.sigma, jnp.float32))
        place = jnp.interp(jnp.log(sigma), nodes, jnp.arange(len(nodes), dtype=jnp.float32))
        share = jnp.maximum(0, 1 - jnp.abs(jnp.arange(len(nodes)) - place))
        weights = jnp.tensordot(share, jnp.asarray(self.weights, jnp.float32), 1)
        a, b = jnp.moveaxis(weights[:, degrees(LMAX)], -1, 0)
        return lambda output, last: a[None] * output + b[None] * last


def load_calibration(path: Path) -> Calibration:
    """The weights in a file."""
    with np.load(path) as file:
        return Calibration(file["sigma"], file["weights"])
