"""Harmonics and their gradients at any points, and the Gaussian grid on which they are orthogonal.

The convention and the order of coefficients are those of `sphere.harmonics`, in plain numpy.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dabench.systems.sphere.harmonics import degrees, legendre, orders


def fourier(lon: NDArray, lmax: int) -> Float[np.ndarray, "coefficient longitude"]:
    """Longitude part of every harmonic at `lon` in degrees."""
    m = orders(lmax)[:, None]
    angle = np.abs(m) * np.radians(lon)[None]
    wave = np.where(m < 0, np.sin(angle), np.cos(angle)) / np.sqrt(np.pi)
    return np.where(m == 0, np.sqrt(0.5 / np.pi), wave)


def basis(lat: NDArray, lon: NDArray, lmax: int) -> Float[np.ndarray, "coefficient point"]:
    """Every harmonic of degree <= lmax on the grid lat x lon (degrees), latitude-major."""
    p = legendre(np.sin(np.radians(lat)), lmax)[np.abs(orders(lmax)), degrees(lmax)]
    return np.einsum("cj,ci->cji", p, fourier(lon, lmax)).reshape(len(p), -1)


class Gradient(NamedTuple):
    """∂Y/∂λ and cos φ ∂Y/∂φ of every harmonic: each (coefficient, point)."""

    east: NDArray
    north: NDArray


def gradient(lat: NDArray, lon: NDArray, lmax: int) -> Gradient:
    """Derivatives of `basis` on the unit sphere, both times cos φ."""
    m, degree = orders(lmax), degrees(lmax)
    p = legendre(np.sin(np.radians(lat)), lmax + 1)
    p = np.pad(p, [(0, 0), (1, 0), (0, 0)])

    def epsilon(n):
        return np.sqrt((n**2 - m**2) / (4.0 * n**2 - 1))[:, None]

    above, below = p[np.abs(m), degree + 2], p[np.abs(m), degree]
    slope = (degree + 1)[:, None] * epsilon(degree) * below
    slope = slope - degree[:, None] * epsilon(degree + 1) * above
    north = np.einsum("cj,ci->cji", slope, fourier(lon, lmax))
    # d/dλ of cos is -|m| sin, of sin |m| cos: the partner's values; a sine follows its cosine
    partner = np.arange(len(m)) + np.sign(m)
    east = -m[:, None] * basis(lat, lon, lmax)[partner]
    return Gradient(east, north.reshape(len(m), -1))


class GaussianGrid(NamedTuple):
    """Latitudes and longitudes in degrees, and the area weight of each latitude (sum = 2)."""

    lat: NDArray
    lon: NDArray
    weight: NDArray

    @property
    def area(self) -> Float[np.ndarray, "point"]:
        """Area of every point on the unit sphere."""
        return np.repeat(self.weight * 2 * np.pi / len(self.lon), len(self.lon))


def gaussian_grid(nlat: int = 48) -> GaussianGrid:
    """The grid on which products of two fields of degree < nlat are integrated exactly."""
    nodes, weight = np.polynomial.legendre.leggauss(nlat)
    return GaussianGrid(np.degrees(np.arcsin(nodes)), np.arange(2 * nlat) * 180.0 / nlat, weight)


def analysis(grid: GaussianGrid, lmax: int) -> Float[np.ndarray, "point coefficient"]:
    """The matrix from values on the Gaussian grid to coefficients, by quadrature."""
    return basis(grid.lat, grid.lon, lmax).T * grid.area[:, None]


def area_weights(lat: NDArray) -> Float[np.ndarray, "lat"]:
    """Area of each latitude's cell on a regular grid with poles, summing to 2.

    Equal to `core.layout.cell_area` up to its factor and the last digits, in which the published
    draws of the embedded atmosphere were made.
    """
    edges = np.concatenate([[-90.0], (lat[1:] + lat[:-1]) / 2, [90.0]])
    return np.diff(np.sin(np.radians(edges)))
