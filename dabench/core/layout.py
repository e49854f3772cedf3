"""Layouts of state vectors: channels, coordinates, frames; and the areas of grid cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float


def cell_area(latitude: Float[np.ndarray, "latitude"]) -> Float[np.ndarray, "latitude"]:
    """Relative areas of the latitude rows of a global grid, with mean one, in float64.

    Rows end half-way to their neighbours, the outermost ones at the poles: a row at +-90 degrees
    is half a cell, not nothing as cos(latitude) would have it. Take subsets afterwards.

    Arguments:
        latitude: Degrees, increasing (ValueError otherwise).
    """
    phi = np.deg2rad(np.asarray(latitude, np.float64))
    if not (np.diff(phi) > 0).all():
        raise ValueError(f"latitudes must increase from south to north, got {latitude}")
    bounds = np.concatenate([[-np.pi / 2], (phi[:-1] + phi[1:]) / 2, [np.pi / 2]])
    area = np.diff(np.sin(bounds))
    return area / area.mean()


class Channel(NamedTuple):
    """One scalar field.

    Arguments:
        name: Name of the variable, as ERA5 has it.
        units: Units of the values.
        level: Pressure level in hPa, if it has one.
    """

    name: str
    units: str = "1"
    level: float | None = None


@dataclass(frozen=True, eq=False)
class Layout:
    """Names, units and coordinates of a state vector (frame, channel, point), flattened in C order.

    Arguments:
        channels: The fields, in the order of the state vector; levels of one variable are adjacent.
        coords: `latitude` and `longitude` in degrees, both one-dimensional and ascending (a point
            is latitude-major), or `site` = 0..n-1 (toy systems).
        frames: Number of consecutive times that a state holds, the oldest first; the last is "now".
        periodic: Whether the sites form a ring.
        dtype: Type of the numbers of a state.
        land: Mask (point,) of the points on land, where that is known.
        height: Height of the ground (point,) in m, where that is known.
        undefined: Mask (channel, point) of values without meaning, such as the sea-surface
            temperature on land; nothing is observed there.
    """

    channels: tuple[Channel, ...]
    coords: Mapping[str, np.ndarray]
    frames: int = 1
    periodic: bool = False
    dtype: str = "float32"
    land: np.ndarray | None = None
    height: np.ndarray | None = None
    undefined: np.ndarray | None = None

    @property
    def points(self) -> int:
        """Number of points of a field."""
        return int(np.prod([len(c) for c in self.coords.values()]))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of (frame, channel, point)."""
        return self.frames, len(self.channels), self.points

    @property
    def size(self) -> int:
        """Length of the state vector."""
        return int(np.prod(self.shape))

    @property
    def on_sphere(self) -> bool:
        """Whether the points lie on the sphere, by latitude and longitude."""
        return "latitude" in self.coords

    def unflatten(self, x: Any) -> Any:
        """States (..., state) as arrays (..., frame, channel, point)."""
        return x.reshape(*x.shape[:-1], *self.shape)

    def now(self, x: Any) -> Any:
        """The last frame (..., channel, point) of states (..., state)."""
        return self.unflatten(x)[..., -1, :, :]

    @cached_property
    def positions(self) -> dict[str, np.ndarray]:
        """Coordinates of every point by name, arrays (point,)."""
        grids = np.meshgrid(*self.coords.values(), indexing="ij")
        return {name: grid.ravel() for name, grid in zip(self.coords, grids, strict=True)}

    def channel(self, name: str, level: float | None = None) -> int:
        """Index of the channel of this name and level in hPa; KeyError if there is none."""
        for i, c in enumerate(self.channels):
            if c.name == name and c.level == level:
                return i
        raise KeyError((name, level))

    def to_dataset(self, fields: np.ndarray, dims: tuple[str, ...] = ()) -> xr.Dataset:
        """Fields as labelled variables, one a name, with the dimension `level` where it has levels.

        Arguments:
            fields: Values (dimensions of `dims`, channel, point).
            dims: Names of the dimensions before `channel`.
        """
        grid = tuple(len(c) for c in self.coords.values())
        fields = np.asarray(fields)
        fields = fields.reshape(*fields.shape[:-1], *grid)
        axis, data = len(dims), {}
        for name in dict.fromkeys(c.name for c in self.channels):
            index = [i for i, c in enumerate(self.channels) if c.name == name]
            levels = [self.channels[i].level for i in index]
            values, level_dim = np.take(fields, index, axis), ("level",)
            if levels == [None]:
                values, level_dim = values.squeeze(axis), ()
            coords = {"level": np.array(levels, float)} if level_dim else {}
            data[name] = xr.DataArray(
                values,
                coords | dict(self.coords),
                (*dims, *level_dim, *self.coords),
                attrs={"units": self.channels[index[0]].units},
            )
        return xr.Dataset(data)

    def from_dataset(self, fields: xr.Dataset, dims: tuple[str, ...] = ()) -> np.ndarray:
        """The inverse of `to_dataset`; the dimensions of the variables may be in any order."""
        channels = []
        for c in self.channels:
            field = fields[c.name] if c.level is None else fields[c.name].sel(level=c.level)
            channels.append(field.transpose(*dims, *self.coords).values)
        values = np.stack(channels, axis=len(dims))
        return values.reshape(*values.shape[: len(dims) + 1], -1)
