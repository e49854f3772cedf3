"""Zarr groups laid out before there are values: coordinates, and arrays that are written later."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import uuid4

import xarray as xr
import zarr
from zarr.storage import LocalStore

from dabench.core import files

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer


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


def write(store: Path | LocalStore, path: str, index: Any, values: Any) -> None:
    """Write values into a part of an array; chunks that it covers are replaced atomically."""
    zarr.open_array(store, path=path, mode="r+")[index] = values


@contextmanager
def together(folder: Path) -> Iterator[LocalStore]:
    """A zarr to write to, whose files take their places when the block ends without error.

    All of them are on the disk before the first does, so that the loss of power never leaves an
    empty chunk. A chunk may be written once within the block.

    Arguments:
        folder: Folder of the zarr.
    """
    store = _Parts(folder)
    try:
        yield store
        files.move_together(store.parts, store.folders)
    finally:
        for part in store.parts:
            part.unlink(missing_ok=True)


class _Parts(LocalStore):
    """A zarr in a folder that notes what is written, and leaves it beside its place."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.parts: dict[Path, Path] = {}
        self.folders: set[Path] = set()

    async def set(self, key: str, value: "Buffer") -> None:
        await asyncio.to_thread(self._write, self.root / key, value.to_bytes())

    def _write(self, place: Path, content: bytes) -> None:
        new = [p for p in place.parents if not p.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{place.name}.{uuid4().hex}.partial")
        self.parts[part] = place
        part.write_bytes(content)
        self.folders |= {place.parent, *(folder.parent for folder in new)}
