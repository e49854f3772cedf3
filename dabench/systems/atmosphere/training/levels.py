"""From spectral states on sigma layers to fields on pressure levels, and to their band."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dabench.systems.atmosphere.atmosphere import LMAX, Atmosphere, Coefficients
from dabench.systems.sphere import gaussian
from dabench.systems.sphere.harmonics import degrees

Fields = dict[tuple[str, float | None], NDArray]
"""Channel's name and level -> (frame, point) on the Gaussian grid."""


class Regridded(NamedTuple):
    """A segment's channels in their band, and the time mean of what the band leaves out."""

    coefficients: Coefficients
    outside: Float[np.ndarray, "channel point"]


class Transform:
    """Fields on the 96 x 48 Gaussian grid from coefficients, and back.

    Arguments:
        wind_unit: m/s of the wind whose vorticity is one, on a sphere of radius one.
    """

    def __init__(self, wind_unit: float) -> None:
        self.grid = gaussian.gaussian_grid()
        lat, lon = self.grid.lat, self.grid.lon
        self.basis = gaussian.basis(lat, lon, LMAX).astype(np.float32)
        self.analysis = gaussian.analysis(self.grid, LMAX).astype(np.float32)
        degree = degrees(LMAX)
        inverse = np.where(degree > 0, -1.0 / np.maximum(degree * (degree + 1), 1), 0.0)
        cos = np.repeat(np.cos(np.radians(lat)), len(lon))
        scale = inverse[:, None] / cos * wind_unit
        slope = gaussian.gradient(lat, lon, LMAX)
        self.east = (slope.east * scale).astype(np.float32)
        self.north = (slope.north * scale).astype(np.float32)

    def synthesise(self, coefficients: NDArray) -> NDArray:
        """The field, (..., point)."""
        return _apply(coefficients, self.basis)

    def analyse(self, fields: NDArray) -> NDArray:
        """The field's coefficients, (..., coefficient)."""
        return _apply(fields, self.analysis)

    def winds(self, vorticity: NDArray, divergence: NDArray) -> tuple[NDArray, NDArray]:
        """Eastward and northward wind in m/s, (..., point)."""
        u = _apply(divergence, self.east) - _apply(vorticity, self.north)
        return u, _apply(vorticity, self.east) + _apply(divergence, self.north)

    def band(self, fields: Mapping, atmosphere: Atmosphere) -> Regridded:
        """The channels of `fields`, cut to their band."""
        stacked = np.stack([fields[c.name, c.level] for c in atmosphere.channels], axis=1)
        inside = self.analyse(stacked)
        left = stacked.mean(0, dtype=np.float64) - self.synthesise(
            inside.mean(0, dtype=np.float64).astype(np.float32)
        )
        return Regridded(inside, left.astype(np.float32))


def _apply(x: NDArray, matrix: NDArray) -> NDArray:
    return (x.reshape(-1, len(matrix)) @ matrix).reshape(*x.shape[:-1], -1)


def at_pressure(
    level: float,
    depth: Float[np.ndarray, "frame layer point"],
    bottom: Float[np.ndarray, "frame 1 point"],
    values: Float[np.ndarray, "frame layer point"],
    ground: Float[np.ndarray, "frame 1 point"],
    extrapolate: bool = False,
) -> Float[np.ndarray, "frame point"]:
    """`values` at `level` hPa, linear in log p, with `ground` as an extra node at the surface.

    Below the ground: `ground`, or with `extrapolate` the lowest segment's straight continuation.
    """
    nodes = np.concatenate([depth, bottom], axis=1)
    values = np.concatenate([values, ground], axis=1)
    target = np.float32(np.log(100.0 * level))
    above = np.clip((nodes < target).sum(axis=1, keepdims=True) - 1, 0, depth.shape[1] - 1)
    x0, x1 = (np.take_along_axis(nodes, above + i, 1)[:, 0] for i in (0, 1))
    y0, y1 = (np.take_along_axis(values, above + i, 1)[:, 0] for i in (0, 1))
    weight = (target - x0) / (x1 - x0)
    return y0 + (y1 - y0) * (weight if extrapolate else np.clip(weight, 0, 1))
