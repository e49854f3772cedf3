"""The archive of one run: a zarr (format 3) that grows cycle by cycle, and what resumes it.

A run's folder holds

    archive.zarr    groups truth, mean, spread, members or the statistics that scores need of them
                    (skill, distance, below, ties; see `summary.Ranked`), observations, diagnostics,
                    and withheld, where the scenario withholds observations from methods
    restart.npz     the filter's carry after the last completed cycle; gone once the run has ended

and `.<folder>.lock` beside it is held by the process that writes.

Every group has the dimension `cycle` = 0..K, cycle 0 being the initial state (no observations:
nan, or -1 for whole numbers), and `time`, the valid time. The attributes of the root are made by
`experiment.attributes`. A cycle counts as complete once `restart.npz` has been replaced. Chunks are
on the disk before that, and a file takes its place once it is there itself, so a process may be
killed and the power lost at any moment: readers see whole cycles, and the next process carries on.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
import zarr

from dabench.core import files, zarr_layout
from dabench.core.errors import UserError
from dabench.core.zarr_layout import EmptyArray
from dabench.runs.archive.cf import CONVENTIONS
from dabench.runs.archive.layout import SCHEMA
from dabench.runs.archive.read import attributes
from dabench.runs.archive.status import Status

CHUNK_BYTES = 2**18  # small states share a chunk between cycles, up to this size


class Restart(NamedTuple):
    """The last complete cycle, and the leaves of the carry after it."""

    cycle: int
    leaves: list[np.ndarray]


class Archive:
    """The writing end of one run, whose lock the caller holds.

    Arguments:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.store = folder / "archive.zarr"
        self.restart = folder / "restart.npz"

    def create(self, groups: Mapping[str, xr.Dataset], times: np.ndarray, attrs: dict) -> None:
        """Lay out all cycles.

        Arguments:
            groups: The groups as `label` makes them of one cycle; their values are not written.
            times: Valid times of all cycles.
            attrs: Attributes of the root.
        """
        with files.new_folder(self.store) as part:
            zarr.open_group(
                part, mode="w", zarr_format=3, attributes=attrs | CONVENTIONS | {"schema": SCHEMA}
            )
            for name, group in groups.items():
                _lay_out(part, name, group, times)

    def append(self, groups: Mapping[str, xr.Dataset]) -> None:
        """Write whole cycles to the disk; they count once `mark` has been called."""
        with zarr_layout.together(self.store) as store:
            for name, group in groups.items():
                cycles = slice(int(group["cycle"][0]), int(group["cycle"][-1]) + 1)
                for key, variable in group.data_vars.items():
                    zarr_layout.write(store, f"{name}/{key}", cycles, variable.values)

    def mark(self, cycle: int, leaves: Sequence[np.ndarray]) -> None:
        """Declare all cycles up to `cycle` complete, and keep the leaves of the carry after it."""
        arrays = {f"leaf{i}": leaf for i, leaf in enumerate(leaves)}
        files.save(self.restart, {"cycle": cycle, **arrays})
        self.update(completed=cycle)

    def restore(self, dtypes: Sequence[np.dtype]) -> Restart | None:
        """The last complete cycle and the leaves of its carry; None if there is none yet.

        Arguments:
            dtypes: Types of the leaves; a file has those that NumPy lacks as bytes.
        """
        if not self.restart.exists():
            if (attributes(self.folder) or {}).get("completed", -1) < 0:
                return None
            raise UserError(
                f"{self.folder}: {self.restart.name} is gone; start again with --fresh."
            )
        with np.load(self.restart) as saved:
            leaves = [saved[f"leaf{i}"].view(dtype) for i, dtype in enumerate(dtypes)]
            return Restart(int(saved["cycle"]), leaves)

    def finish(self, status: Status) -> None:
        """Record how the run ended, and drop the file that could resume it."""
        self.update(status=str(status))
        self.restart.unlink(missing_ok=True)

    def update(self, **attrs: Any) -> None:
        """Set attributes of the root."""
        with zarr_layout.together(self.store) as store:
            zarr.open_group(store, mode="r+").update_attributes(attrs)

    def clean(self) -> None:
        """Remove files that a killed process left half-written; no archive refers to them."""
        for part in self.folder.glob(f"*{files.PART}"):
            shutil.rmtree(part) if part.is_dir() else part.unlink()
        for part in self.store.rglob("*.partial"):
            part.unlink()


def _lay_out(store: Path, name: str, group: xr.Dataset, times: np.ndarray) -> None:
    """Create the arrays of one group for every cycle, and write its coordinates."""
    cycles = len(times)
    coords = group.drop_vars([*group.data_vars, "cycle", "time"]).assign_coords(
        cycle=xr.Variable("cycle", np.arange(cycles), group.cycle.attrs),
        time=xr.Variable("cycle", times, group.time.attrs),
    )
    arrays = {
        str(key): EmptyArray(
            sizes={str(d): n for d, n in variable.sizes.items()} | {"cycle": cycles},
            chunks={"cycle": _cycles_a_chunk(variable, cycles)},
            dtype=variable.dtype,
            fill_value=fill_value(variable.dtype),
            attributes=variable.attrs,
        )
        for key, variable in group.data_vars.items()
    }
    zarr_layout.lay_out(store, coords, arrays, group=name)


def fill_value(dtype: np.dtype) -> float | int:
    """The value that stands for none: nan, -1 for signed whole numbers, else 0."""
    return {"f": np.nan, "i": -1}.get(dtype.kind, 0)


def _cycles_a_chunk(variable: xr.DataArray, cycles: int) -> int:
    return min(cycles, max(1, CHUNK_BYTES // max(1, variable[0].nbytes)))
