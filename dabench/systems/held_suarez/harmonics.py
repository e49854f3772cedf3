"""Real spherical harmonics at any points, and the Gaussian grid the nature run is regridded on.

Y(l, m) = P(l, m)(sin lat) · {1/√2π, cos(mλ)/√π, sin(|m|λ)/√π for m = 0, > 0, < 0}, orthonormal on the
unit sphere, with the Condon-Shortley sign. Coefficient l² + j belongs to degree l and the j-th
order in 0, +1, -1, +2, -2, ...
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

LMAX = 31


def degrees(lmax: int = LMAX) -> Int[np.ndarray, "coefficient"]:
    """Degree l of every coefficient."""
    return np.repeat(np.arange(lmax + 1), 2 * np.arange(lmax + 1) + 1)


def orders(lmax: int = LMAX) -> Int[np.ndarray, "coefficient"]:
    """Order m of every coefficient, negative for sines."""
    index = np.arange((lmax + 1) ** 2) - degrees(lmax) ** 2
    return np.where(index % 2 == 1, (index + 1) // 2, -(index // 2))


def legendre(x: NDArray, lmax: int) -> Float[np.ndarray, "order degree point"]:
    """Associated Legendre functions with unit norm on [-1, 1], zero where order > degree."""
    p = np.zeros((lmax + 1, lmax + 1, len(x)))
    y = np.sqrt(1 - x * x)
    p[0, 0] = np.sqrt(0.5)
    for m in range(1, lmax + 1):
        p[m, m] = -np.sqrt(1 + 0.5 / m) * y * p[m - 1, m - 1]
    for m in range(lmax):
        p[m, m + 1] = np.sqrt(2 * m + 3) * x * p[m, m]
        for degree in range(m + 2, lmax + 1):
            a = np.sqrt((4 * degree**2 - 1) / (degree**2 - m**2))
            b = np.sqrt(((degree - 1) ** 2 - m**2) / (4 * (degree - 1) ** 2 - 1))
            p[m, degree] = a * (x * p[m, degree - 1] - b * p[m, degree - 2])
    return p


def fourier(lon: NDArray, lmax: int = LMAX) -> Float[np.ndarray, "coefficient longitude"]:
    """Longitude part of every harmonic at `lon` in degrees."""
    m = orders(lmax)[:, None]
    angle = np.abs(m) * np.radians(lon)[None]
    wave = np.where(m < 0, np.sin(angle), np.cos(angle)) / np.sqrt(np.pi)
    return np.where(m == 0, np.sqrt(0.5 / np.pi), wave)


def basis(lat: NDArray, lon: NDArray, lmax: int = LMAX) -> Float[np.ndarray, "coefficient point"]:
    """Every harmonic on the grid lat x lon (degrees), latitude-major."""
    p = legendre(np.sin(np.radians(lat)), lmax)[np.abs(orders(lmax)), degrees(lmax)]
    return np.einsum("cj,ci->cji", p, fourier(lon, lmax)).reshape(len(p), -1)


class Gradient(NamedTuple):
    """∂Y/∂λ and cos φ ∂Y/∂φ of every harmonic: each (coefficient, point)."""

    east: NDArray
    north: NDArray


def gradient(lat: NDArray, lon: NDArray, lmax: int = LMAX) -> Gradient:
    """Derivatives of `basis` on the unit sphere, both times cos φ."""
    m, degree = orders(lmax), degrees(lmax)
    p = np.pad(legendre(np.sin(np.radians(lat)), lmax + 1), [(0, 0), (1, 0), (0, 0)])

    def epsilon(n):
        return np.sqrt((n**2 - m**2) / (4.0 * n**2 - 1))[:, None]

    above, below = p[np.abs(m), degree + 2], p[np.abs(m), degree]
    slope = (degree + 1)[:, None] * epsilon(degree) * below
    slope = slope - degree[:, None] * epsilon(degree + 1) * above
    north = np.einsum("cj,ci->cji", slope, fourier(lon, lmax))
    # d/dλ of cos is -|m| sin and of sin |m| cos: the partner's values, the sine one after the cosine
    partner = np.arange(len(m)) + np.sign(m)
    east = -m[:, None] * basis(lat, lon, lmax)[partner]
    return Gradient(east, north.reshape(len(m), -1))


class GaussianGrid(NamedTuple):
    """Latitudes and longitudes in degrees, and the area weight of each latitude (sum = 2)."""

    lat: NDArray
    lon: NDArray
    weight: NDArray


def gaussian_grid(nlat: int = 48) -> GaussianGrid:
    """The grid on which products of two fields of degree < nlat are integrated exactly."""
    nodes, weight = np.polynomial.legendre.leggauss(nlat)
    return GaussianGrid(np.degrees(np.arcsin(nodes)), np.arange(2 * nlat) * 180.0 / nlat, weight)


def analysis(grid: GaussianGrid, lmax: int = LMAX) -> Float[np.ndarray, "point coefficient"]:
    """The matrix from values on the Gaussian grid to coefficients, by quadrature."""
    area = np.repeat(grid.weight * 2 * np.pi / len(grid.lon), len(grid.lon))
    return basis(grid.lat, grid.lon, lmax).T * area[:, None]
