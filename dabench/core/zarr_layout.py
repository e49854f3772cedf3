"""Zarr groups laid out before there are values: coordinates, and arrays that are written later."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import xarray as xr
import zarr


class EmptyArray(NamedTuple):
    """An array without values.

    Arguments:
        sizes: Length of every dimension, in order.
        chunks: Length of a chunk in some dimensions; a chunk has the whole of the others.
        dtype: Type of the values.
        fill_value: Value where nothing has been written.
        attributes: Units and the like.
    """

    sizes: Mapping[str, int]
    chunks: Mapping[str, int]
    dtype: Any
    fill_value: float
    attributes: Mapping[str, Any]


def lay_out(
    store: Path,
    coords: xr.Dataset,
    arrays: Mapping[str, EmptyArray],
    *,
    group: str | None = None,
    zarr_format: Literal[2, 3] = 3,
    encoding: Mapping[str, Any] | None = None,
) -> None:
    """Write coordinates and attributes of a group, and create its arrays without values.

    The root (no `group`) is made anew; a group is added to what is there.

    Arguments:
        store: Folder of the zarr.
        coords: Coordinates, and whatever else is written with its values.
        arrays: The arrays by name.
        group: Path of the group; None for the root.
        zarr_format: 2 or 3.
        encoding: Encoding of the coordinates, as `xarray.Dataset.to_zarr` takes it.
    """
    options: dict[str, Any] = {"zarr_format": zarr_format, "consolidated": False}
    mode = "w" if group is None else "a"
    coords.to_zarr(store, group=group, mode=mode, encoding=encoding, **options)
    target = zarr.open_group(store, path=group, mode="r+", zarr_format=zarr_format)
    for name, array in arrays.items():
        dims = list(array.sizes)
        names: dict[str, Any] = {"dimension_names": dims}
        attributes = dict(array.attributes)
        if zarr_format == 2:  # which keeps names of dimensions among the attributes
            names, attributes = {}, {"_ARRAY_DIMENSIONS": dims, **attributes}
        target.create_array(
            name,
            shape=tuple(array.sizes.values()),
            chunks=tuple(array.chunks.get(dim, max(n, 1)) for dim, n in array.sizes.items()),
            dtype=array.dtype,
            fill_value=array.fill_value,
            attributes=attributes,
            **names,
        )


def write(store: Path, path: str, index: Any, values: Any) -> None:
    """Write values into a part of an array; chunks that it covers are replaced atomically."""
    zarr.open_array(store, path=path, mode="r+")[index] = values
