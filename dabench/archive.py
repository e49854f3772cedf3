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

import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
import zarr

from dabench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from dabench.systems.base import Layout

SCHEMA = 1
RANKED = ("skill", "distance", "below", "ties")
GROUPS = (
    *("truth", "mean", "spread", "members", *RANKED),
    *("observations", "withheld", "diagnostics"),
)
CHUNK_BYTES = 2**18  # small states share a chunk between cycles, up to this size

DIAGNOSTICS = {  # standard name: dimensions after cycle, units, meaning
    "ess": ((), "1", "effective sample size before resampling"),
    "alpha": ((), "1", "tempering exponent of the weights"),
    "log_weights": (("member",), "1", "normalised log-weights before resampling"),
    "ancestor": (("member",), "1", "member of the cycle before that each came from"),
    "background_obs": (("observation",), "as observed", "mean of h(x) before y is used"),
    "background_var": (("observation",), "as observed, squared", "variance of h(x), without R"),
    "guarded": ((), "1", "share of linear solves that a guard stopped"),
    "evaluations": ((), "1", "denoiser evaluations a member"),
    "products": ((), "1", "Jacobian products a member"),
    "seconds": ((), "s", "time of the step on its device"),
    "wall_seconds": ((), "s", "time since the cycle before was done"),
}

WITHHELD = {  # of observations that no method is given
    "y": "value",
    "background_obs": "mean of h(x) before anything is assimilated",
    "background_var": "variance of h(x) then, squared units, without R",
    "analysis_obs": "mean of h(x) of the analysis",
    "analysis_var": "variance of h(x) of the analysis, squared units, without R",
}


class Record(NamedTuple):
    """Consecutive cycles as arrays; the first axis of every entry is `cycle`.

    Arguments:
        cycle: Number of each cycle.
        time: Valid time in seconds (since 1970 where the system has a calendar).
        truth, mean, spread: (cycle, channel, point); spread with ddof = 1, nan for one member.
        members: (cycle, member, channel, point), or None where members are not kept.
        y: (cycle, observation).
        info: Diagnostics by name.
        withheld: (cycle, observation) each, by names of `WITHHELD`; None where nothing is.
        ranked: (cycle, channel, point) each, by names of `RANKED`; None where members are kept.
    """

    cycle: np.ndarray
    time: np.ndarray
    truth: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    members: np.ndarray | None
    y: np.ndarray
    info: Mapping[str, Any]
    withheld: Mapping[str, Any] | None = None
    ranked: Mapping[str, Any] | None = None


def label(
    layout: "Layout",
    table: "pd.DataFrame",
    record: Record,
    calendar: bool = False,
    withheld: "pd.DataFrame | None" = None,
) -> dict[str, xr.Dataset]:
    """The groups of an archive with their dimensions, coordinates, units and attributes.

    The only place that names anything: creating, appending and mock data in tests go through it.

    Arguments:
        table, withheld: The networks': one row an observation.
        calendar: Whether times are seconds since 1970, else model time.
    """
    groups = {}
    for name in ("truth", "mean", "spread"):
        groups[name] = layout.to_dataset(getattr(record, name), ("cycle",))
    if record.members is not None:
        groups["members"] = layout.to_dataset(record.members, ("cycle", "member"))
    for name, values in (record.ranked or {}).items():
        groups[name] = layout.to_dataset(values, ("cycle",))
    groups["observations"] = _observed(table, {"y": record.y})
    if withheld is not None and record.withheld is not None:
        groups["withheld"] = _observed(withheld, record.withheld, WITHHELD)
    groups["diagnostics"] = xr.Dataset({n: _diagnostic(n, v) for n, v in record.info.items()})
    units = "seconds since 1970-01-01" if calendar else "s"
    time = ("cycle", record.time, {"units": units, "long_name": "valid time"})
    return {n: g.assign_coords(cycle=record.cycle, time=time) for n, g in groups.items()}


def _observed(
    table: "pd.DataFrame", values: Mapping[str, Any], meanings: Mapping[str, str] | None = None
) -> xr.Dataset:
    columns = {c: ("observation", _plain(table[c])) for c in table.columns}
    dims, meanings = ("cycle", "observation"), meanings or {}
    return xr.Dataset(
        {n: (dims, v, {"long_name": meanings[n]} if meanings else {}) for n, v in values.items()},
        columns,
    )


def _plain(column: Any) -> np.ndarray:
    """Numbers stay numbers, all else becomes text."""
    numeric = np.issubdtype(getattr(column.dtype, "type", object), np.number)
    return column.to_numpy() if numeric else column.astype(str).to_numpy(dtype=object)


def _diagnostic(name: str, values: np.ndarray) -> xr.Variable:
    """Standard names have their dimensions in DIAGNOSTICS, others get dimensions of their own."""
    own = tuple(f"{name}_{i}" for i in range(values.ndim - 1))
    dims, units, meaning = DIAGNOSTICS.get(name, (own, "1", name))
    return xr.Variable(("cycle", *dims), values, {"units": units, "long_name": meaning})


# --- writing -----------------------------------------------------------------------------------


def replace(path: Path, content: bytes) -> None:
    """Write a whole file so that readers see the old one or the new one, never a part."""
    with replacing(path) as f:
        f.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file to write, which takes the place of `path` when the block ends without error."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


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

    def finish(self, status: str) -> None:
        """Say how the run ended. What could resume it is dropped."""
        self.update(status=status)
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


def attributes(folder: Path) -> dict[str, Any] | None:
    """The root attributes of a run's archive; None if there is none."""
    path = folder / "archive.zarr" / "zarr.json"
    return json.loads(path.read_bytes())["attributes"] if path.exists() else None


def stores_members(folder: Path) -> bool | None:
    """Whether the archive has all members; None if there is no archive."""
    store = folder / "archive.zarr"
    return (store / "members").exists() if store.exists() else None


def lacks_ranked(folder: Path) -> bool:
    """Whether an older version began the archive, with neither members nor what stands for them."""
    store = folder / "archive.zarr"
    return store.exists() and not any((store / name).exists() for name in ("members", RANKED[0]))


def ended(folder: Path) -> str | None:
    """The status of a run that has come to its end; None if there is still something to do."""
    status = (attributes(folder) or {"status": "running"})["status"]
    return None if status == "running" else status


def open_run(path: str | Path) -> xr.DataTree:
    """The whole cycles of a run, read from disk when they are used.

    Arguments:
        path: The run's folder, or its archive.zarr.
    Returns:
        A tree with the groups of this module's docstring; its `attrs` say what was run.
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
    with warnings.catch_warnings():  # a process killed while writing leaves *.partial files
        warnings.filterwarnings("ignore", "Object at .*partial is not recognized")
        return xr.open_zarr(
            store, group=name, consolidated=False, chunks=None, decode_timedelta=False
        )


def find_runs(root: str | Path) -> list[Path]:
    """Folders of the runs under `root`, oldest first; those set aside are left out."""
    folders = [p.parent for p in Path(root).rglob("archive.zarr") if p.parent.suffix == ""]
    return sorted(folders, key=lambda f: ((f / "archive.zarr" / "zarr.json").stat().st_mtime, f))
