"""An analysis store of someone else as a run, to be scored and ranked beside ours.

The store is in WeatherBench 2's layout: (time, [number,] [prediction_timedelta,] [level,]
latitude, longitude) in any order; of several leads the analysis is 0 h. It is held to the truth of
a scenario, on its grid and at its times.
"""

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.runs.archive import folder, read
from dabench.runs.archive.layout import Record, label
from dabench.runs.archive.status import COMPLETE
from dabench.runs.archive.store import Archive
from dabench.runs.experiment import Experiment, attributes
from dabench.scenario.catalogue import NAME
from dabench.scenario.load import change, load_scenario
from dabench.systems.gencast.fetch.era5 import open_zarr

ENSEMBLE = ("number", "realization", "sample", "member", "ensemble")
LEAD = ("prediction_timedelta", "lead_time", "step")
FILTER = "external"


def import_store(
    store: str, scenario: str, name: str, out: str | Path = "runs", cycles: int | None = None
) -> Path:
    """A run's folder made of an analysis store; its method is `external-<name>`.

    Arguments:
        store: Path or URL of a zarr.
        scenario: Whose truth and period it is held to.
        name: Of the method that made the store.
        cycles: In place of the scenario's.
    Raises: UserError if times, grid or all variables are missing, or the run is there.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"--name {name}: letters, digits, '-', '_' and single dots can name a run")
    experiment = Experiment(change(load_scenario(scenario), cycles=cycles))
    problem, system, twin = experiment.scenario, experiment.system, experiment.twin
    found = analyses(open_zarr(store), store)
    layout = shared(system.layout, found, store)
    times = (np.asarray(twin.times) * 1e9).astype("int64").astype("M8[ns]")
    home = Path(out) / problem.name / system.name / f"external-{name}" / f"seed{problem.seed}"
    with folder.lock(home):
        if read.attributes(home) is not None:
            raise UserError(f"{home}: is there already; give another --name")
        home.mkdir(exist_ok=True)
        content = hashlib.sha256()
        first = _record(0, twin, layout, found, times, store)
        writer = Archive(home)
        groups = label(layout, twin.network.table, first, system.start is not None)
        writer.create(groups, twin.times, about(experiment, store, name, found))
        for k in range(twin.cycles + 1):
            record = first if k == 0 else _record(k, twin, layout, found, times, store)
            content.update(np.ascontiguousarray(record.members).tobytes())
            writer.append(label(layout, twin.network.table, record, system.start is not None))
        writer.update(completed=twin.cycles, status=str(COMPLETE), store_sha256=content.hexdigest())
    return home


def analyses(data: xr.Dataset, store: str) -> xr.Dataset:
    """The store with dimensions time, member, [level,] latitude, longitude; lead 0 h alone."""
    renamed = {d: "member" for d in ENSEMBLE if d in data.dims} | {
        short: long
        for short, long in (("lat", "latitude"), ("lon", "longitude"))
        if short in data.coords
    }
    data = data.rename(renamed)
    for lead in LEAD:
        if lead in data.dims:
            zero = np.flatnonzero(data[lead].values.astype("int64") == 0)
            if not len(zero):
                raise UserError(f"{store}: has no lead 0 h, which is the analysis")
            data = data.isel({lead: zero[0]}).drop_vars(lead)
    if missing := {"time", "latitude", "longitude"} - set(data.coords):
        raise UserError(f"{store}: has no coordinate {', '.join(sorted(missing))}")
    data = data.sortby("latitude")
    return data if "member" in data.dims else data.expand_dims("member")


def shared(layout: Layout, found: xr.Dataset, store: str) -> Layout:
    """The fields that both have; UserError where there is none or the grids differ."""
    for name, values in layout.coords.items():
        there = found[name].values
        if len(there) != len(values) or not np.allclose(there, values, atol=1e-3):
            raise UserError(
                f"{store}: {name} is not that of the scenario ({len(there)} values there, "
                f"{len(values)} here); bring the store to the scenario's grid first"
            )
    levels = set(found["level"].values) if "level" in found.coords else set()

    def has(c: Channel) -> bool:
        return c.name in found and (
            c.level in levels if "level" in found[c.name].dims else c.level is None
        )

    channels = tuple(c for c in layout.channels if has(c))
    if not channels:
        raise UserError(f"{store}: has none of the scenario's variables")
    return Layout(channels, layout.coords, dtype=layout.dtype, land=layout.land)


def _record(
    k: int, twin: Any, layout: Layout, found: xr.Dataset, times: np.ndarray, store: str
) -> Record:
    """One cycle: the store's members beside the truth; the initial state need not be there."""
    there = found["time"].values.astype("M8[ns]")
    at = np.flatnonzero(there == times[k])
    if k and not len(at):
        raise UserError(f"{store}: has no analysis at {times[k]}")
    shape = (found.sizes["member"], len(layout.channels), layout.points)
    members = np.full(shape, np.nan)
    if len(at):
        members = layout.from_dataset(found.isel(time=at[0]), ("member",))
    full: Layout = twin.system.layout
    index = [full.channel(c.name, c.level) for c in layout.channels]
    truth = np.asarray(full.now(twin.truth[k]))[index]
    y = np.asarray(twin.observation(k).y) if k else np.full(twin.network.size, np.nan)
    mean = members.mean(0, dtype=float)
    spread = members.std(0, ddof=1, dtype=float) if len(members) > 1 else np.zeros_like(mean)
    kept = members.astype(layout.dtype)
    record = Record(np.asarray(k), twin.times[k], truth, mean, spread, kept, y, {})
    return jax.tree.map(lambda a: np.asarray(a)[None], record)


def about(experiment: Experiment, store: str, name: str, found: xr.Dataset) -> dict[str, Any]:
    """What the root of the archive says."""
    scenario, system = experiment.scenario, experiment.system
    identity = {
        "scenario": scenario.model_dump(mode="json", exclude={"name", "title", "source"}),
        "system": {"name": system.name, "digest": system.digest},
        "filter": FILTER,
        "settings": {"external": True, "store": store, "name": name},
        "members": int(found.sizes["member"]),
    }
    label = f"external-{name}"
    return attributes(scenario, identity, label, system.graph) | {"external": True}
