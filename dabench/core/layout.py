"""What a state vector holds: channels, coordinates, frames; and the areas of grid cells."""

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
    """One scalar field: its (ERA5) name, its units, its pressure level in hPa if it has one."""

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
        frames: How many consecutive times the state holds, oldest first; the last is "now".
        periodic: Whether the sites form a ring.
        dtype: Of the state.
        land: (point,) which points are on land, where that is known.
        undefined: (channel, point) where a field has no meaning, as the sea-surface temperature on
            land has none; nobody observes it there.
    """

    channels: tuple[Channel, ...]
    coords: Mapping[str, np.ndarray]
    frames: int = 1
    periodic: bool = False
    dtype: str = "float32"
    land: np.ndarray | None = None
    undefined: np.ndarray | None = None

    @property
    def points(self) -> int:
        return int(np.prod([len(c) for c in self.coords.values()]))

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.frames, len(self.channels), self.points

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def on_sphere(self) -> bool:
        return "latitude" in self.coords

    def unflatten(self, x: Any) -> Any:
        """(..., state) to (..., frame, channel, point)."""
        return x.reshape(*x.shape[:-1], *self.shape)

    def now(self, x: Any) -> Any:
        """(..., state) to the last frame (..., channel, point)."""
        return self.unflatten(x)[..., -1, :, :]

    @cached_property
    def positions(self) -> dict[str, np.ndarray]:
        """Coordinates of every point: each (point,)."""
        grids = np.meshgrid(*self.coords.values(), indexing="ij")
        return {name: grid.ravel() for name, grid in zip(self.coords, grids, strict=True)}

    def channel(self, name: str, level: float | None = None) -> int:
        """Index of a channel; KeyError if there is none."""
        for i, c in enumerate(self.channels):
            if c.name == name and c.level == level:
                return i
        raise KeyError((name, level))

    def to_dataset(self, fields: np.ndarray, dims: tuple[str, ...] = ()) -> xr.Dataset:
        """Label (*dims, channel, point): one variable a name, `level` where it has levels."""
        grid = tuple(len(c) for c in self.coords.values())
        fields = np.asarray(fields)
        fields = fields.reshape(*fields.shape[:-1], *grid)
        axis, data = len(dims), {}
        for name in dict.fromkeys(c.name for c in self.channels):
            index = [i for i, c in enumerate(self.channels) if c.name == name]
            units, levels = self.channels[index[0]].units, [self.channels[i].level for i in index]
            values, level_dim = np.take(fields, index, axis), ("level",)
            if levels == [None]:
                values, level_dim = values.squeeze(axis), ()
            coords = {"level": np.array(levels, float)} if level_dim else {}
            data[name] = xr.DataArray(
                values,
                coords | dict(self.coords),
                (*dims, *level_dim, *self.coords),
                attrs={"units": units},
            )
        return xr.Dataset(data)

    def from_dataset(self, fields: xr.Dataset, dims: tuple[str, ...] = ()) -> np.ndarray:
        """The inverse of `to_dataset`: (*dims, channel, point); dimensions may be in any order."""
        found = []
        for c in self.channels:
            values = fields[c.name] if c.level is None else fields[c.name].sel(level=c.level)
            found.append(values.transpose(*dims, *self.coords).values)
        values = np.stack(found, axis=len(dims))
        return values.reshape(*values.shape[: len(dims) + 1], -1)
