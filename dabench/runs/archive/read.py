"""The archives of runs as they are read, without JAX."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr
import zarr

from dabench.core.errors import UserError
from dabench.runs.archive.layout import GROUPS, RANKED, SCHEMA
from dabench.runs.archive.status import Status

REMEDY = "remove the run's folder, or make it again with `dabench run ... --fresh`"


def attributes(folder: Path) -> dict[str, Any] | None:
    """The root attributes of a run's archive; None if there is none, UserError if it is damaged."""
    path = folder / "archive.zarr" / "zarr.json"
    if not path.exists():
        return None
    try:
        return json.loads(path.read_bytes())["attributes"]
    except (OSError, ValueError, KeyError, TypeError) as e:
        reason = f"{type(e).__name__}: {e}".splitlines()[0]
        raise UserError(f"{path}: is damaged ({reason}); {REMEDY}") from None


def stores_members(folder: Path) -> bool | None:
    """Whether the archive has all members; None if there is no archive."""
    store = folder / "archive.zarr"
    return (store / "members").exists() if store.exists() else None


def lacks_ranked(folder: Path) -> bool:
    """Whether an older version began the archive, without members and without ranks."""
    store = folder / "archive.zarr"
    return store.exists() and not any((store / name).exists() for name in ("members", RANKED[0]))


def has_array(folder: Path, name: str) -> bool:
    """Whether the archive in a folder has an array, as older versions may not, or is yet to be."""
    store = folder / "archive.zarr"
    return not store.exists() or (store / name).exists()


def ended(folder: Path) -> Status | None:
    """The status of a run that has ended; None if it has not, or there is no archive."""
    attrs = attributes(folder)
    status = None if attrs is None else Status.parse(attrs["status"])
    return None if status is None or status.running else status


def has_scores(folder: Path) -> bool:
    """Whether the archive in a folder has a whole cycle after the initial state to score."""
    return can_be_scored(attributes(folder) or {})


def can_be_scored(attrs: Mapping[str, Any]) -> bool:
    """Whether the attributes of an archive say that it has a cycle after the initial state."""
    return attrs.get("completed", -1) >= 1


def open_run(path: str | Path) -> xr.DataTree:
    """The whole cycles of a run, read from disk when they are used.

    Arguments:
        path: The run's folder, or its archive.zarr.
    Returns:
        A tree with the groups of `layout.GROUPS` that there are; its `attrs` say what was run.
    Raises: UserError where there is no run, or its archive is of another version.
    """
    folder = Path(path).parent if Path(path).name == "archive.zarr" else Path(path)
    attrs = attributes(folder)
    if attrs is None:
        raise UserError(f"{path}: no run here (no archive.zarr). `dabench run` makes one.")
    if attrs.get("schema") != SCHEMA:
        raise UserError(
            f"{path}: archive schema {attrs.get('schema')}, this dabench reads {SCHEMA}"
        )
    present = [name for name in GROUPS if (folder / "archive.zarr" / name).exists()]
    whole = slice(0, attrs["completed"] + 1)
    groups = {
        name: _open_group(folder / "archive.zarr", name).isel(cycle=whole) for name in present
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **groups})


def _open_group(store: Path, name: str) -> xr.Dataset:
    """A group with its variables in alphabetical order, whatever order the disk has them in."""
    with warnings.catch_warnings():  # a process killed while writing leaves *.partial files
        warnings.filterwarnings("ignore", "Object at .*partial is not recognized")
        group = xr.open_zarr(
            store, group=name, consolidated=False, chunks=None, decode_timedelta=False
        )
    names = sorted(map(str, group.data_vars))
    return group[names] if names else group  # diagnostics of an import are coordinates alone


@contextmanager
def whole(path: str | Path) -> Iterator[None]:
    """Within the block an error is a UserError that names an array of a run, if one is damaged.

    Errors of other origin stay as they are.

    Arguments:
        path: The run's folder, or its archive.zarr.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        damaged = _damaged(
            Path(path) if Path(path).suffix == ".zarr" else Path(path, "archive.zarr")
        )
        if damaged is None:
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"{damaged}: cannot be read ({reason}); {REMEDY}") from None


def _damaged(store: Path) -> Path | None:
    """The first array of an archive that cannot be read; None if all can."""
    for place in sorted(file.parent for file in store.rglob("zarr.json")):
        try:
            node = zarr.open(place, mode="r")
            if isinstance(node, zarr.Array):
                for cycle in range(node.shape[0]):
                    node[cycle]
        except Exception:  # whatever a codec raises for damaged bytes
            return place
    return None


def find_runs(root: str | Path) -> list[Path]:
    """Folders of the runs under `root`, the oldest first, without those that were set aside."""
    folders = [p.parent for p in Path(root).rglob("archive.zarr") if p.parent.suffix == ""]
    return sorted(folders, key=lambda f: ((f / "archive.zarr" / "zarr.json").stat().st_mtime, f))
