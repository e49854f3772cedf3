"""Gaussian noise that is isotropic on the sphere (GenCast specification, section 3.3).

The noise of a field is e = B w, w ~ N(0, I): harmonics of equal power in every total wavenumber
unless said otherwise, of unit variance everywhere. Its covariance C = B Bᵀ is far from the
identity on a grid, and singular.
"""

from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.diffusion.model import NoiseFactor
from dabench.systems.sphere.harmonics import Harmonics, degrees


class SphereNoise:
    """Noise e ~ N(0, C) on one grid; fields are (..., point), points latitude-major.

    Arguments:
        latitude, longitude: The grid in degrees, ascending.
        lmax: The largest total wavenumber; by default GenCast's own, which depends on the grid:
            half the number of longitudes less one.
        power: Share of the variance in each degree 0 .. lmax, normalised to sum to one; flat by
            default.
        weights: Weights of the latitudes in the inner product of `project`; equal by default.
    """

    def __init__(
        self,
        latitude: Float[np.ndarray, "lat"],
        longitude: Float[np.ndarray, "lon"],
        lmax: int | None = None,
        power: Float[np.ndarray, "degree"] | None = None,
        weights: Float[np.ndarray, "lat"] | None = None,
    ):
        lmax = len(longitude) // 2 - 1 if lmax is None else lmax
        self.harmonics = Harmonics(latitude, longitude, lmax, weights)
        share = np.ones(lmax + 1) if power is None else np.asarray(power, float)
        self._variance = 4 * np.pi * share / share.sum() / (2 * np.arange(lmax + 1) + 1)
        self.std = np.sqrt(self._variance)[degrees(lmax)]

    @cached_property
    def _kernels(self) -> Float[np.ndarray, "order lat lat"]:
        """C of each zonal wavenumber; only `covariance` needs these, which take 3 GB at 0.25°."""
        p = self.harmonics.legendre
        return np.einsum("mli,l,mlj->mij", p, self._variance, p)

    @property
    def points(self) -> int:
        """Number of grid points."""
        return int(np.prod(self.harmonics.shape))

    def draw(
        self, key: Key[Array, ""], fields: int, dtype: jnp.dtype | type = jnp.float32
    ) -> Float[Array, "fields point"]:
        """Independent draws of e, made of the same coefficients on every grid."""
        return self.colour(jax.random.normal(key, (fields, self.harmonics.size), dtype))

    def colour(self, w: Float[Array, "*field coefficient"]) -> Float[Array, "*field point"]:
        """B w."""
        return self.synthesise(w * self._std(w))

    def adjoint(self, x: Float[Array, "*field point"]) -> Float[Array, "*field coefficient"]:
        """Bᵀ x."""
        w = self.harmonics.adjoint(x)
        return w * self._std(w)

    def factor(self, fields: int) -> NoiseFactor:
        """B and Bᵀ, for several fields."""
        return NoiseFactor(fields, self.points, self.harmonics.size, self.colour, self.adjoint)

    def covariance(self, x: Float[Array, "*field point"]) -> Float[Array, "*field point"]:
        """C x = B Bᵀ x."""
        return self.harmonics.by_order(self._kernels, x)

    def synthesise(self, c: Float[Array, "*field coefficient"]) -> Float[Array, "*field point"]:
        """The field of orthonormal coefficients."""
        return self.harmonics.synthesise(c)

    def analyse(self, x: Float[Array, "*field point"]) -> Float[Array, "*field coefficient"]:
        """The orthonormal coefficients of a field, by least squares."""
        return self.harmonics.analyse(x)

    def project(self, x: Float[Array, "*field point"]) -> Float[Array, "*field point"]:
        """The nearest field in the range of C."""
        return self.harmonics.project(x)

    def _std(self, w: Array) -> Array:
        return jnp.asarray(self.std, w.dtype).reshape((1,) * (w.ndim - 1) + (-1,))
