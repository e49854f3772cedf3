"""Real spherical harmonics on a latitude-longitude grid: synthesis, analysis, projection.

Y(l, m) = P(l, |m|)(sin lat) · {1/√2π, cos(mλ)/√π, sin(|m|λ)/√π for m = 0, > 0, < 0}, orthonormal
on the unit sphere, with the Condon-Shortley sign. Coefficient l² + j belongs to degree l and to
the j-th order in 0, +1, -1, +2, -2, .. Coefficients are (..., coefficient), fields (..., point)
with points latitude-major; results have the precision of the argument.

Tables of (order, degree, latitude) are dense and in float64, though half of each is zero: 3 GB at
0.25 degrees. Those of `analyse` and `project` are made when they are first needed.
"""

from functools import cached_property

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dabench.core.errors import UserError


def degrees(lmax: int) -> Int[np.ndarray, "coefficient"]:
    """Degree l of every coefficient."""
    return np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)


def orders(lmax: int) -> Int[np.ndarray, "coefficient"]:
    """Order m of every coefficient, negative for sines."""
    j = np.arange((lmax + 1) ** 2) - degrees(lmax) ** 2
    return np.where(j % 2 == 1, (j + 1) // 2, -(j // 2))


def legendre(x: Float[np.ndarray, "point"], lmax: int) -> Float[np.ndarray, "order degree point"]:
    """The associated Legendre functions of unit norm on [-1, 1], zero where order > degree."""
    p = np.zeros((lmax + 1, lmax + 1, len(x)))
    p[0, 0] = np.sqrt(0.5)
    for l in range(1, lmax + 1):
        p[l, l] = -np.sqrt((1 + 0.5 / l) * (1 - x * x)) * p[l - 1, l - 1]
        p[l - 1, l] = np.sqrt(2 * l + 1) * x * p[l - 1, l - 1]
        m = np.arange(l - 1)[:, None]
        a = np.sqrt((4 * l**2 - 1) / (l**2 - m**2))
        b = np.sqrt(((l - 1) ** 2 - m**2) / (4 * (l - 1) ** 2 - 1))
        p[: l - 1, l] = a * (x * p[: l - 1, l - 1] - b * p[: l - 1, l - 2])
    return p


def at(
    latitude: Float[np.ndarray, "place"], longitude: Float[np.ndarray, "place"], lmax: int
) -> Float[np.ndarray, "place coefficient"]:
    """All harmonics of degree <= lmax at some places in degrees."""
    l, m = degrees(lmax), orders(lmax)
    angle = np.abs(m) * np.deg2rad(longitude)[:, None]
    waves = np.where(m < 0, np.sin(angle), np.cos(angle)) / np.sqrt(np.pi)
    waves[:, m == 0] = np.sqrt(0.5 / np.pi)
    return waves * legendre(np.sin(np.deg2rad(latitude)), lmax)[np.abs(m), l].T


class Harmonics:
    """All harmonics of degree <= lmax on one grid.

    Arguments:
        latitude, longitude: Degrees, ascending; longitudes equally spaced around the circle.
        weights: Weights of the latitudes in the inner product that makes `analyse` a least-squares
            fit and `project` orthogonal; equal by default.
    """

    def __init__(
        self,
        latitude: Float[np.ndarray, "lat"],
        longitude: Float[np.ndarray, "lon"],
        lmax: int,
        weights: Float[np.ndarray, "lat"] | None = None,
    ):
        if lmax >= len(latitude) or 2 * lmax >= len(longitude):
            raise UserError(
                f"degree {lmax} does not fit on a grid of {len(latitude)} latitudes and "
                f"{len(longitude)} longitudes, which holds at most "
                f"{min(len(latitude) - 1, (len(longitude) - 1) // 2)}"
            )
        self.lmax, self.shape = lmax, (len(latitude), len(longitude))
        self.weights = np.ones(len(latitude)) if weights is None else np.asarray(weights, float)
        angle = np.arange(lmax + 1)[:, None] * np.deg2rad(np.asarray(longitude, float))
        waves = np.stack([np.cos(angle), np.sin(angle)]) / np.sqrt(np.pi)
        waves[0, 0] = np.sqrt(0.5 / np.pi)
        self._waves = waves  # (cosine or sine, order, longitude)
        self.legendre = legendre(np.sin(np.deg2rad(np.asarray(latitude, float))), lmax)
        self._orders = orders(lmax)

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return (self.lmax + 1) ** 2

    @cached_property
    def _fit(self) -> Float[np.ndarray, "order degree lat"]:
        """The weighted pseudo-inverse of the Legendre functions, order by order."""
        root = np.sqrt(self.weights)
        fit = np.zeros_like(self.legendre)
        for m, p in enumerate(self.legendre):
            fit[m, m:] = np.linalg.pinv((p[m:] * root).T) * root
        return fit

    @cached_property
    def _projection(self) -> Float[np.ndarray, "order lat lat"]:
        return np.einsum("mli,mlj->mij", self.legendre, self._fit)

    def synthesise(self, c: Float[Array, "*field coefficient"]) -> Float[Array, "*field point"]:
        """Σ c Y on the grid."""
        table = jnp.concatenate([c, jnp.zeros_like(c[..., :1])], -1)[..., self._slots]
        p = self.legendre.astype(c.dtype)
        return self._from_waves(jnp.einsum("mlj,...kml->...kmj", p, table))

    def analyse(self, x: Float[Array, "*field point"]) -> Float[Array, "*field coefficient"]:
        """The coefficients whose synthesis is nearest to x; exact for band-limited fields."""
        return self._pack("mlj,...kmj->...kml", self._fit, self._to_waves(x) * self._step)

    def adjoint(self, x: Float[Array, "*field point"]) -> Float[Array, "*field coefficient"]:
        """The transpose of `synthesise`."""
        return self._pack("mlj,...kmj->...kml", self.legendre, self._to_waves(x))

    def project(self, x: Float[Array, "*field point"]) -> Float[Array, "*field point"]:
        """The orthogonal projection on the band, which is synthesise(analyse(x))."""
        return self.by_order(self._projection * self._step, x)

    def by_order(
        self, matrices: Float[np.ndarray, "order lat lat"], x: Float[Array, "*field point"]
    ) -> Float[Array, "*field point"]:
        """Waves · matrices · wavesᵀ x: an operator that acts within each zonal wavenumber."""
        waves = self._to_waves(x)
        return self._from_waves(jnp.einsum("mij,...kmj->...kmi", matrices.astype(x.dtype), waves))

    @property
    def _step(self) -> float:
        return 2 * np.pi / self.shape[1]

    def _to_waves(self, x: Array) -> Float[Array, "*field wave order lat"]:
        grid = x.reshape(*x.shape[:-1], *self.shape)
        return jnp.einsum("kmi,...ji->...kmj", self._waves.astype(x.dtype), grid)

    def _from_waves(self, waves: Float[Array, "*field wave order lat"]) -> Array:
        grid = jnp.einsum("kmi,...kmj->...ji", self._waves.astype(waves.dtype), waves)
        return grid.reshape(*grid.shape[:-2], -1)

    @cached_property
    def _slots(self) -> Int[np.ndarray, "wave order degree"]:
        """Where each (wave, order, degree) is among the coefficients; one past them if nowhere."""
        slots = np.full((2, self.lmax + 1, self.lmax + 1), self.size, np.int32)
        slots[(self._orders < 0).astype(int), np.abs(self._orders), degrees(self.lmax)] = np.arange(
            self.size
        )
        return slots

    def _pack(self, rule: str, matrices: np.ndarray, waves: Array) -> Array:
        table = jnp.einsum(rule, matrices.astype(waves.dtype), waves)
        index = ((self._orders < 0), np.abs(self._orders), degrees(self.lmax))
        flat = np.ravel_multi_index((index[0].astype(int), *index[1:]), self._slots.shape)
        return table.reshape(*table.shape[:-3], -1)[..., flat.astype(np.int32)]
