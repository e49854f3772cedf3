"""The archive of one run: a zarr (format 3) that grows cycle by cycle, and what resumes it.

A run's folder holds

    archive.zarr    groups truth, mean, spread, members or what scores need of them (skill,
                    distance, below, ties; see `summary.Ranked`), observations, diagnostics, and
                    withheld, where the scenario withholds observations from methods
    restart.npz     the filter's carry after the last completed cycle; gone once the run has ended

and `.<folder>.lock` beside it is held by the process that writes.

Every group has the dimension `cycle` = 0..K, cycle 0 being the initial state (no observations:
nan, or -1 for whole numbers), and `time`, the valid time. The attributes of the root are named in
`attributes` below. A cycle counts as complete once `restart.npz` has been replaced; zarr replaces
chunks and metadata atomically too, so a process may be killed at any moment: readers see whole
cycles, and the next process carries on. Reading needs no JAX.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import zarr

from dabench.core.errors import UserError
from dabench.core.files import replacing
from dabench.runs.archive.layout import SCHEMA
from dabench.runs.archive.read import attributes
from dabench.runs.archive.status import Status

if TYPE_CHECKING:
    pass

CHUNK_BYTES = 2**18  # small states share a chunk between cycles, up to this size


# --- writing -----------------------------------------------------------------------------------


class Archive:
    """The writing end of one run, whose lock the caller holds."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.store = folder / "archive.zarr"
        self.restart = folder / "restart.npz"

    def create(self, groups: dict[str, xr.Dataset], times: np.ndarray, attrs: dict) -> None:
        """Lay out all cycles; `groups` is what `label` makes of one cycle, values aside."""
        part = self.store.with_name(f"archive.zarr.{os.getpid()}.part")
        zarr.open_group(part, mode="w", zarr_format=3, attributes=attrs | {"schema": SCHEMA})
        for name, group in groups.items():
            _lay_out(part, name, group, times)
        os.replace(part, self.store)

    def append(self, groups: dict[str, xr.Dataset]) -> None:
        """Write whole cycles; they count once `mark` has been called."""
        for name, group in groups.items():
            first, stop = int(group["cycle"][0]), int(group["cycle"][-1]) + 1
            for key, variable in group.data_vars.items():
                array = zarr.open_array(self.store, path=f"{name}/{key}", mode="r+")
                array[first:stop] = variable.values

    def mark(self, cycle: int, leaves: list[np.ndarray]) -> None:
        """Declare all cycles up to `cycle` complete; `leaves` of the carry go on from there."""
        with replacing(self.restart) as f:
            arrays: dict[str, Any] = {f"leaf{i}": leaf for i, leaf in enumerate(leaves)}
            np.savez(f, cycle=cycle, **arrays)
        self.update(completed=cycle)

    def restore(self, dtypes: list[np.dtype]) -> tuple[int, list[np.ndarray]] | None:
        """The last complete cycle and the leaves of its carry; None if there is none yet."""
        if not self.restart.exists():
            if (attributes(self.folder) or {}).get("completed", -1) < 0:
                return None
            raise UserError(
                f"{self.folder}: {self.restart.name} is gone; start again with --fresh."
            )
        with np.load(self.restart) as saved:
            leaves = [saved[f"leaf{i}"].view(dtype) for i, dtype in enumerate(dtypes)]
            return int(saved["cycle"]), leaves

    def finish(self, status: Status) -> None:
        """Say how the run ended. What could resume it is dropped."""
        self.update(status=str(status))
        self.restart.unlink(missing_ok=True)

    def update(self, **attrs: Any) -> None:
        zarr.open_group(self.store, mode="r+").update_attributes(attrs)

    def clean(self) -> None:
        """Drop what a killed process left half-written; none of it is part of the archive."""
        for part in self.folder.glob("*.part"):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        for part in self.store.rglob("*.partial"):
            part.unlink()


def _lay_out(store: Path, name: str, group: xr.Dataset, times: np.ndarray) -> None:
    """Create the arrays of one group for every cycle, and write its coordinates."""
    time = xr.Variable("cycle", times, group.time.attrs)
    coords = group.drop_vars([*group.data_vars, "cycle", "time"]).assign_coords(
        cycle=np.arange(len(times)), time=time
    )
    coords.to_zarr(store, group=name, mode="a", zarr_format=3, consolidated=False)
    target = zarr.open_group(store, path=name, mode="r+")
    for key, variable in group.data_vars.items():
        a_cycle = variable.shape[1:]
        target.create_array(
            str(key),
            shape=(len(times), *a_cycle),
            chunks=(_chunk(variable, len(times)), *(max(n, 1) for n in a_cycle)),
            dtype=variable.dtype,
            fill_value=nothing(variable.dtype),
            dimension_names=[str(d) for d in variable.dims],
            attributes=dict(variable.attrs),
        )


def nothing(dtype: np.dtype) -> float | int:
    """What stands where a cycle has no value."""
    return {"f": np.nan, "i": -1}.get(dtype.kind, 0)


def _chunk(variable: xr.DataArray, cycles: int) -> int:
    """How many cycles share a chunk."""
    return min(cycles, max(1, CHUNK_BYTES // max(1, variable[0].nbytes)))


# --- reading -----------------------------------------------------------------------------------
