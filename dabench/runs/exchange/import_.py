"""An analysis store of someone else as a run, to be scored and ranked beside ours.

The store has (time, [number,] [prediction_timedelta,] [level,] latitude, longitude) in any order,
as WeatherBench 2 has them; `foreign` brings it into our names and units. Of several leads the
analysis is 0 h. It is compared with the truth of a scenario, on its grid and at its times.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from dabench.core import files
from dabench.core.errors import UserError
from dabench.runs.archive import folder, read
from dabench.runs.archive.layout import Record, label
from dabench.runs.archive.status import COMPLETE
from dabench.runs.archive.store import Archive
from dabench.runs.exchange import foreign
from dabench.runs.exchange.foreign import Fields
from dabench.runs.experiment import Experiment, attributes
from dabench.runs.twin import Twin
from dabench.scenario.catalogue import NAME
from dabench.scenario.load import change, load_scenario

FILTER = "external"
MISSING, FLAT = "missing values", "one value everywhere (are chunks lost?)"
"""What may be wrong with the values of a field."""


def import_store(
    store: str,
    scenario: str,
    name: str,
    out: str | Path = "runs",
    cycles: int | None = None,
    note: Callable[[str], Any] = lambda line: None,
) -> Path:
    """Make a run of an analysis store, and return its folder; the method is `external-<name>`.

    Arguments:
        store: Path or URL of a zarr.
        scenario: Scenario whose truth and period the store is compared with.
        name: Name of the method that made the store.
        out: Folder of all runs.
        cycles: Number of cycles in place of the scenario's.
        note: Called with each line about what was taken, converted, missing or not there.
    Raises: UserError if the store does not fit, or the run is there; nothing is left behind.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"--name {name}: letters, digits, '-', '_' and single dots can name a run")
    experiment = Experiment(change(load_scenario(scenario), cycles=cycles))
    problem, system = experiment.scenario, experiment.system
    fields = foreign.fields(foreign.open_store(store), system.layout, store)
    home = Path(out) / problem.name / system.name / f"external-{name}" / f"seed{problem.seed}"
    with folder.lock_new(home):
        if read.attributes(home) is not None:
            raise UserError(f"{home}: is there already; give another --name")
        with files.new_folder(home) as part:
            lacks = _write(Archive(part), experiment, fields, store, name)
    for line in (_taken(fields), *fields.notes, *_told(lacks, experiment.twin.cycles)):
        note(line)
    return home


def _write(
    archive: Archive, experiment: Experiment, fields: Fields, store: str, name: str
) -> Counter[str]:
    """Write all cycles; the number of cycles in which each channel has missing values."""
    twin, content, lacks = experiment.twin, hashlib.sha256(), Counter[str]()
    far = np.ones(len(fields.layout.channels), bool)
    times = (np.asarray(twin.times) * 1e9).astype("int64").astype("M8[ns]")
    index = foreign.index_of(fields, times, store)
    for k in range(twin.cycles + 1):
        members = _members(fields, int(index[k]), store)
        record = _record(k, twin, fields, members)
        groups = label(
            fields.layout, twin.network.table, record, calendar=experiment.system.start is not None
        )
        if k == 0:
            archive.create(groups, twin.times, about(experiment, store, name, fields))
        else:
            lacks.update(_lacking(members, record.truth[0], fields))
            far = _elsewhere(members, record.truth[0]) & far
        content.update(np.ascontiguousarray(members, fields.layout.dtype).tobytes())
        archive.append(groups)
    _refuse_nonsense(fields, lacks, far, twin.cycles, store)
    archive.update(completed=twin.cycles, status=str(COMPLETE), store_sha256=content.hexdigest())
    return lacks


def _refuse_nonsense(
    fields: Fields, lacks: Counter[str], far: np.ndarray, cycles: int, store: str
) -> None:
    """UserError for a store without values, or with one of a variable that cannot be right.

    Arguments:
        lacks: Number of cycles in which each channel has missing values.
        far: Whether each channel is elsewhere than the truth, in every cycle.
    """
    channels = fields.layout.channels
    empty = [text for text, n in lacks.items() if n == cycles and text.endswith(MISSING)]
    if len(empty) == len(channels):
        names = ", ".join(foreign.title(c) for c in channels[:4])
        raise UserError(
            f"{store}: {names}: has missing values in all fields of every cycle; fill them, or "
            "leave out the members that are not whole"
        )
    if far.any():
        channel = channels[int(far.argmax())]
        raise UserError(
            f"{store}: {foreign.title(channel)}: its mean is further from the truth's, in every "
            "cycle, than the truth's smallest value from its largest; are its units "
            f"{channel.units} as it says? Correct or convert them"
        )


def _lacking(members: np.ndarray, truth: np.ndarray, fields: Fields) -> list[str]:
    """What is wrong with the values of channels in a cycle: they are missing, or all the same.

    A value is missing where it is no number and the truth has one. A member that has one value
    everywhere, as the truth has not, is what a zarr gives for chunks that were lost.

    Arguments:
        members: Values (member, channel, point).
        truth: Values (channel, point).
    """
    missing = (~np.isfinite(members).all(0) & np.isfinite(truth)).any(-1)
    flat = (members == members[..., :1]).all(-1).any(0) & ~(truth == truth[:, :1]).all(-1)
    wrong = {MISSING: missing, FLAT: flat}
    return [
        f"{foreign.title(fields.layout.channels[i])}: {text}"
        for text, channels in wrong.items()
        for i in np.flatnonzero(channels)
    ]


def _elsewhere(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether channels are further from the truth on average than all of the truth is wide.

    No analysis is, whose units are what they are said to be.

    Arguments:
        members: Values (member, channel, point), of which those that are finite count.
        truth: Values (channel, point).
    """
    there = np.isfinite(members) & np.isfinite(truth)
    count = there.sum((0, 2))
    apart = np.where(there, np.where(there, members, 0).astype(float) - truth, 0).sum((0, 2))
    width = np.nanmax(truth, 1) - np.nanmin(truth, 1)
    flat = (members == members[..., :1]).all(-1).any(0)  # chunks may be lost
    return (width > 0) & (np.abs(apart) > width * count) & (count > 0) & ~flat


def _taken(fields: Fields) -> str:
    members = fields.data.sizes["member"]
    return f"taken: {len(fields.layout.channels)} fields of {members} members"


def _told(lacks: Counter[str], cycles: int) -> list[str]:
    """A line for all that is wrong with a channel."""
    return [f"{text} in {n} of {cycles} cycles" for text, n in lacks.items()]


def _record(k: int, twin: Twin, fields: Fields, members: np.ndarray) -> Record:
    """One cycle: the store's members beside the truth."""
    full, layout = twin.system.layout, fields.layout
    channels = [full.channel(c.name, c.level) for c in layout.channels]
    mean = members.mean(0, dtype=float)
    record = Record(
        cycle=np.asarray(k),
        time=twin.times[k],
        truth=np.asarray(full.now(twin.truth[k]))[channels],
        mean=mean,
        spread=_spread(members),
        members=members.astype(layout.dtype),
        y=np.asarray(twin.observation(k).y) if k else np.full(twin.network.size, np.nan),
        info={},
    )
    return jax.tree.map(lambda a: np.asarray(a)[None], record)


def _spread(members: np.ndarray) -> np.ndarray:
    """Their standard deviation; infinite values, of which there is a note, have none."""
    if len(members) == 1:
        return np.zeros(members.shape[1:])
    with np.errstate(invalid="ignore"):
        return members.std(0, ddof=1, dtype=float)


def _members(fields: Fields, index: int, store: str) -> np.ndarray:
    """The store's members (member, channel, point) at a time; NaN where cycle 0 has none."""
    layout = fields.layout
    if index < 0:
        return np.full((fields.data.sizes["member"], len(layout.channels), layout.points), np.nan)
    here = fields.data.isel(time=index)
    for name, variable in here.data_vars.items():
        try:
            variable.load()
        except Exception as e:  # whatever a codec raises for a damaged chunk
            reason = f"{type(e).__name__}: {e}".splitlines()[0][:200]
            time = here["time"].values.astype("M8[s]")
            raise UserError(
                f"{store}: {name}: {time} cannot be read ({reason}); is a chunk damaged? Copy the "
                "store again"
            ) from None
    return layout.from_dataset(here, ("member",))


def about(experiment: Experiment, store: str, name: str, fields: Fields) -> dict[str, Any]:
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
        "members": int(fields.data.sizes["member"]),
    }
    return attributes(scenario, identity, f"external-{name}") | {"external": True}
