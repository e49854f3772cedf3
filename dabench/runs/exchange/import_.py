"""An analysis store of someone else as a run, to be scored and ranked beside ours.

The store is in WeatherBench 2's layout: (time, [number,] [prediction_timedelta,] [level,]
latitude, longitude) in any order; of several leads the analysis is 0 h. It is compared with the
truth of a scenario, on its grid and at its times.
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
from dabench.runs.twin import Twin
from dabench.scenario.catalogue import NAME
from dabench.scenario.load import change, load_scenario
from dabench.systems.gencast.fetch.era5 import open_zarr

ENSEMBLE = ("number", "realization", "sample", "member", "ensemble")
"""Names that the dimension of members may have in a store."""

LEAD = ("prediction_timedelta", "lead_time", "step")
"""Names that the dimension of leads may have in a store."""

FILTER = "external"


def import_store(
    store: str, scenario: str, name: str, out: str | Path = "runs", cycles: int | None = None
) -> Path:
    """Make a run of an analysis store, and return its folder; the method is `external-<name>`.

    Arguments:
        store: Path or URL of a zarr.
        scenario: Scenario whose truth and period the store is compared with.
        name: Name of the method that made the store.
        out: Folder of all runs.
        cycles: Number of cycles in place of the scenario's.
    Raises: UserError if times, grid or all variables are missing, or the run is there.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"--name {name}: letters, digits, '-', '_' and single dots can name a run")
    experiment = Experiment(change(load_scenario(scenario), cycles=cycles))
    problem, system, twin = experiment.scenario, experiment.system, experiment.twin
    fields = analyses(open_zarr(store), store)
    layout = shared_layout(system.layout, fields, store)
    home = Path(out) / problem.name / system.name / f"external-{name}" / f"seed{problem.seed}"
    with folder.lock(home):
        if read.attributes(home) is not None:
            raise UserError(f"{home}: is there already; give another --name")
        home.mkdir(exist_ok=True)
        content, archive = hashlib.sha256(), Archive(home)
        for k in range(twin.cycles + 1):
            record = _record(k, twin, layout, fields, store)
            groups = label(layout, twin.network.table, record, calendar=system.start is not None)
            if k == 0:
                archive.create(groups, twin.times, about(experiment, store, name, fields))
            content.update(np.ascontiguousarray(record.members).tobytes())
            archive.append(groups)
        sha256 = content.hexdigest()
        archive.update(completed=twin.cycles, status=str(COMPLETE), store_sha256=sha256)
    return home


def analyses(data: xr.Dataset, store: str) -> xr.Dataset:
    """The store with dimensions time, member, [level,] latitude, longitude; lead 0 h alone.

    Arguments:
        data: Content of the store.
        store: Path of the store, for messages.
    """
    names = {d: "member" for d in ENSEMBLE if d in data.dims} | {
        short: long
        for short, long in (("lat", "latitude"), ("lon", "longitude"))
        if short in data.coords
    }
    data = data.rename(names)
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


def shared_layout(layout: Layout, fields: xr.Dataset, store: str) -> Layout:
    """The layout of the channels that scenario and store both have.

    Arguments:
        layout: Layout of the scenario's states.
        fields: Analyses of the store.
        store: Path of the store, for messages.
    Raises: UserError where there is no such channel, or the grids differ.
    """
    for name, values in layout.coords.items():
        there = fields[name].values
        if len(there) != len(values) or not np.allclose(there, values, atol=1e-3):
            raise UserError(
                f"{store}: {name} is not that of the scenario ({len(there)} values there, "
                f"{len(values)} here); bring the store to the scenario's grid first"
            )
    levels = set(fields["level"].values) if "level" in fields.coords else set()

    def is_there(c: Channel) -> bool:
        return c.name in fields and (
            c.level in levels if "level" in fields[c.name].dims else c.level is None
        )

    channels = tuple(filter(is_there, layout.channels))
    if not channels:
        raise UserError(f"{store}: has none of the scenario's variables")
    return Layout(channels, layout.coords, dtype=layout.dtype, land=layout.land)


def _record(k: int, twin: Twin, layout: Layout, fields: xr.Dataset, store: str) -> Record:
    """One cycle: the store's members beside the truth; the initial state need not be there."""
    members = _members(k, twin, layout, fields, store)
    full = twin.system.layout
    channels = [full.channel(c.name, c.level) for c in layout.channels]
    mean = members.mean(0, dtype=float)
    record = Record(
        cycle=np.asarray(k),
        time=twin.times[k],
        truth=np.asarray(full.now(twin.truth[k]))[channels],
        mean=mean,
        spread=members.std(0, ddof=1, dtype=float) if len(members) > 1 else np.zeros_like(mean),
        members=members.astype(layout.dtype),
        y=np.asarray(twin.observation(k).y) if k else np.full(twin.network.size, np.nan),
        info={},
    )
    return jax.tree.map(lambda a: np.asarray(a)[None], record)


def _members(k: int, twin: Twin, layout: Layout, fields: xr.Dataset, store: str) -> np.ndarray:
    """The store's members (member, channel, point) at a cycle; NaN where it lacks cycle 0."""
    time = (np.asarray(twin.times[k]) * 1e9).astype("int64").astype("M8[ns]")
    index = np.flatnonzero(fields["time"].values.astype("M8[ns]") == time)
    if len(index):
        return layout.from_dataset(fields.isel(time=index[0]), ("member",))
    if k:
        raise UserError(f"{store}: has no analysis at {time}")
    return np.full((fields.sizes["member"], len(layout.channels), layout.points), np.nan)


def about(experiment: Experiment, store: str, name: str, fields: xr.Dataset) -> dict[str, Any]:
    """Attributes for the root of the archive.

    Arguments:
        experiment: The experiment whose truth the store is compared with.
        store: Path of the store.
        name: Name of the method that made the store.
        fields: Analyses of the store.
    """
    scenario, system = experiment.scenario, experiment.system
    identity = {
        "scenario": scenario.model_dump(mode="json", exclude={"name", "title", "source"}),
        "system": {"name": system.name, "digest": system.digest},
        "filter": FILTER,
        "settings": {"external": True, "store": store, "name": name},
        "members": int(fields.sizes["member"]),
    }
    return attributes(scenario, identity, f"external-{name}") | {"external": True}
