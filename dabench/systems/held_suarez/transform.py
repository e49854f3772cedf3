"""Harmonic transforms between coefficients and a latitude-longitude grid, in JAX."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.systems.held_suarez import harmonics


class Transform:
    """Coefficients of degree <= 31 (ordered as in `harmonics`) to grid values and back.

    `analyse` is the least-squares fit with area weights, so analyse(synthesise(c)) = c and
    synthesise(analyse(x)) is the orthogonal projection on the band.
    """

    def __init__(self, lat: np.ndarray, lon: np.ndarray) -> None:
        degree, order = harmonics.degrees(), harmonics.orders()
        slot = np.where(order > 0, 2 * order - 1, -2 * order)
        self.rows = 2 * harmonics.LMAX + 1
        self.index = slot * (harmonics.LMAX + 1) + degree
        m = (np.arange(self.rows) + 1) // 2
        p = harmonics.legendre(np.sin(np.radians(lat)), harmonics.LMAX)
        weight = area_weights(lat)[None, :, None]
        p = np.swapaxes(p, 1, 2)  # (order, lat, degree)
        fit = np.linalg.pinv(p * np.sqrt(weight)) * np.sqrt(np.swapaxes(weight, 1, 2))
        first = [int(np.flatnonzero(slot == s)[0]) for s in range(self.rows)]
        f = harmonics.fourier(lon)[first]
        self.p = jnp.asarray(p[m], jnp.float32)
        self.fit = jnp.asarray(fit[m], jnp.float32)
        self.f = jnp.asarray(f, jnp.float32)
        self.inverse_f = jnp.asarray(f * (2 * np.pi / len(lon)), jnp.float32)

    def synthesise(
        self, c: Float[Array, "*field coefficient"]
    ) -> Float[Array, "*field point"]:
        """Values on the grid, latitude-major."""
        table = jnp.zeros((*c.shape[:-1], self.rows * (harmonics.LMAX + 1)), c.dtype)
        table = table.at[..., self.index].set(c).reshape(-1, self.rows, harmonics.LMAX + 1)
        half = jnp.einsum("mjl,fml->mfj", self.p, table)
        return jnp.einsum("mi,mfj->fji", self.f, half).reshape(*c.shape[:-1], -1)

    def analyse(self, x: Float[Array, "*field point"]) -> Float[Array, "*field coefficient"]:
        """Coefficients of the fit."""
        grid = x.reshape(-1, self.p.shape[1], self.f.shape[1])
        half = jnp.einsum("mi,fji->mfj", self.inverse_f, grid)
        table = jnp.einsum("mlj,mfj->fml", self.fit, half).reshape(*x.shape[:-1], -1)
        return table[..., self.index]


def area_weights(lat: np.ndarray) -> Float[np.ndarray, "lat"]:
    """Area of each latitude's cell on a regular grid with poles, summing to 2."""
    edges = np.concatenate([[-90.0], (lat[1:] + lat[:-1]) / 2, [90.0]])
    return np.diff(np.sin(np.radians(edges)))
