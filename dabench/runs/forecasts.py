"""Forecasts from the analyses of a run: free ensembles, archived beside it.

The folder `<run>/lead<L>_every<n>.forecast` holds an archive as that of a run, without observations
and diagnostics, in which the records 0..L of a start follow one another: the analysis, and the
forecasts from it. It grows by whole starts.
"""

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from dabench.core import devices
from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.core.provenance import provenance
from dabench.core.random import stream
from dabench.core.types import Members
from dabench.filters.base import Ensemble
from dabench.observe.network import Observation
from dabench.runs.archive import folder as folders
from dabench.runs.archive import read
from dabench.runs.archive.layout import RANKED, Record, label
from dabench.runs.archive.status import COMPLETE, RUNNING
from dabench.runs.archive.store import Archive
from dabench.runs.execute import Job
from dabench.runs.experiment import Experiment, seconds
from dabench.runs.step import compile_step
from dabench.runs.summary import Summary, headline, summarise
from dabench.scenario.baseline import load_baseline
from dabench.scenario.scenario import Scenario

FREE = "ensemble"
"""The method that forecasts are made with."""
DESCRIBED = ("scenario", "system", "method", "filter", "settings", "members", "seed", "spinup")
"""Attributes of the run's archive that the forecast's repeats."""
FIELDS = ("truth", "mean", "spread", *RANKED)

Report = Callable[[int, int], None]
"""Is told of every start that is done: its number, and that of all."""


def steps_of(lead: str, cycle_seconds: float) -> int:
    """The number of cycles in a lead time such as `5d`, `36h` or `10` (cycles).

    Raises: UserError where it is none of these, or no whole number of cycles.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([dh]?)\s*", lead)
    if match is None:
        raise UserError(f"--lead {lead}: is not of the form 5d, 36h or 10 (cycles)")
    scale = {"d": 86400.0, "h": 3600.0, "": cycle_seconds}[match[2]]
    steps = float(match[1]) * scale / cycle_seconds
    if not (steps >= 1 and steps.is_integer()):
        raise UserError(
            f"--lead {lead}: is no whole number of cycles, which last {cycle_seconds / 3600:g} h"
        )
    return int(steps)


def forecast(path: Path, lead: str, every: int, report: Report = lambda *_: None) -> Path:
    """Forecast from every n-th analysis after the spin-up of a run; returns the forecast's folder.

    What is there is not made again. Truth after the end of the run is the system's own. Where a
    state has two frames, the older one is the analysis of the cycle before, of the member's
    ancestor where the method resamples.

    Arguments:
        path: Folder of the run.
        lead: The longest lead time, see `steps_of`.
        every: Number of cycles from one start to the next.
        report: Function that is told of every start.
    Raises: UserError where there is no such run, it has not ended or is without members, the system
        is another one now, or has no truth for the last lead.
    """
    tree = read.open_run(path)
    if tree.attrs["status"] != str(COMPLETE):
        raise UserError(f"{path}: {tree.attrs['status']}; forecasts start from a complete run")
    if "members" not in tree:
        raise UserError(f"{path}: without members; run it again with --store-members --fresh")
    content = {k: v for k, v in tree.attrs["scenario"].items() if k != "digest"}
    experiment = Experiment(Scenario.model_validate(content))
    steps = steps_of(lead, experiment.system.cycle_seconds)
    target = path / f"lead{steps}_every{every}.forecast"
    with folders.lock(target):
        forecasts = _Forecasts(tree, experiment, steps, every)
        folders.check(target, forecasts.identity)
        forecasts.run(target, report)
    return target


def first_guess(tree: xr.DataTree, layout: Layout, cycle: int) -> Float[np.ndarray, "member state"]:
    """Whole states of the members of an archived analysis."""
    frames, index = [], np.arange(tree["members"].sizes["member"])
    for k in range(cycle, cycle - layout.frames, -1):
        fields = tree["members"].to_dataset().isel(cycle=k)
        frames.append(layout.from_dataset(fields, ("member",)).reshape(len(index), -1)[index])
        ancestors = tree["diagnostics"].to_dataset().get("ancestor")
        if ancestors is not None and (ancestors.values[k] >= 0).all():
            index = ancestors.values[k].astype(int)[index]
    return np.concatenate(frames[::-1], axis=1).astype(layout.dtype)


class _Forecasts:
    """All forecasts from one run."""

    def __init__(self, tree: xr.DataTree, experiment: Experiment, steps: int, every: int):
        self.tree, self.experiment, self.steps = tree, experiment, steps
        self.system, self.members = experiment.system, int(tree.attrs["members"])
        there, here = tree.attrs["system"]["digest"], self.system.digest
        if there != here:
            raise UserError(
                f"the run was made with another version of {self.system.name} "
                f"({there[:12]}.., here {here[:12]}..); run it again"
            )
        first = max(int(tree.attrs["spinup"]), self.system.layout.frames - 1)
        self.starts = list(range(first, int(tree.attrs["cycles"]) + 1, every))
        self.identity = {"run": tree.attrs["digest"], "leads": steps, "every": every}
        self.key = stream(experiment.scenario.seed, "forecast")

    def run(self, target: Path, report: Report) -> None:
        """Make what is not archived yet."""
        archive = Archive(target)
        target.mkdir(exist_ok=True)
        archive.clean()
        if read.ended(target) is None:
            for number in range(self._done(archive), len(self.starts)):
                groups = self._labelled(number)
                if number == 0:
                    archive.create(groups, self._times(), self._attributes())
                archive.append(groups)
                archive.mark((number + 1) * (self.steps + 1) - 1, [])
                report(number + 1, len(self.starts))
            archive.finish(COMPLETE)

    def _done(self, archive: Archive) -> int:
        """Number of starts that are archived."""
        if read.attributes(archive.folder) is None:
            return 0
        restart = archive.restore([])
        return 0 if restart is None else (restart.cycle + 1) // (self.steps + 1)

    def _attributes(self) -> dict[str, Any]:
        return {name: self.tree.attrs[name] for name in DESCRIBED} | {
            "status": str(RUNNING),
            "completed": -1,
            "identity": self.identity,
            "leads": self.steps,
            "starts": self.starts,
            "cycle_seconds": float(self.system.cycle_seconds),
            "provenance": provenance(),
        }

    def _times(self) -> Float[np.ndarray, "record"]:
        """Valid times of all records in seconds."""
        cycles = np.add.outer(self.starts, np.arange(self.steps + 1)).ravel()
        return seconds(self.system.start) + self.system.cycle_seconds * cycles

    @cached_property
    def _truth(self) -> Float[np.ndarray, "cycle state"]:
        """True states to the last lead; UserError unless they are the run's own up to its end."""
        layout, seed = self.system.layout, self.experiment.scenario.seed
        truth = np.asarray(self.system.truth(seed, self.starts[-1] + self.steps), layout.dtype)
        last = self.starts[-1]
        archived = layout.from_dataset(self.tree["truth"].to_dataset().isel(cycle=last))
        if not np.array_equal(layout.now(truth[last]), archived, equal_nan=True):
            raise UserError("the truth of the run is not the one that its system has now")
        return truth

    @cached_property
    def _step(self) -> Callable[[Array, Ensemble, Observation], tuple[Ensemble, Any]]:
        """The compiled step of the free ensemble."""
        scenario = self.experiment.scenario
        baseline = load_baseline(FREE, scenario, members=self.members)
        method = Job(self.experiment, FREE, baseline, Path()).filter()
        carry = self._start(self.starts[0])
        return compile_step(method, self.key, carry, self._nothing(0.0))[0]

    def _nothing(self, time: float) -> Observation:
        """Observations that the free ensemble does not read."""
        size = self.experiment.problem.network.size
        y = jnp.zeros(size, self.system.layout.dtype)
        return devices.place(Observation(jnp.asarray(time), y), self.members)

    @cached_property
    def _summarise(self) -> Callable[[Members, Array], Summary]:
        layout = self.system.layout
        weights = jnp.asarray(headline(layout))

        def fields(x: Members, truth: Array) -> Any:
            return summarise(x, truth, layout, weights)._replace(members=None)

        return devices.jit(fields, self.members)

    def _start(self, cycle: int) -> Ensemble:
        carry = Ensemble(first_guess(self.tree, self.system.layout, cycle))  # type: ignore[arg-type]
        return devices.place(carry, self.members, devices.specs(carry))

    def _summaries(self, start: int) -> Sequence[Summary]:
        """The analysis of a cycle, and the forecasts from it, in short."""
        carry, key = self._start(start), jax.random.fold_in(self.key, start)
        summaries = [self._summarise(carry.x, self._truth[start])]
        for lead in range(1, self.steps + 1):
            time = seconds(self.system.start) + self.system.cycle_seconds * (start + lead)
            lead_key = devices.place(jax.random.fold_in(key, lead), self.members)
            carry, _ = self._step(lead_key, carry, self._nothing(time))
            summaries.append(self._summarise(carry.x, self._truth[start + lead]))
        return jax.device_get(summaries)

    def _labelled(self, number: int) -> dict[str, xr.Dataset]:
        """The groups of the archive with all records of a start."""
        summaries = self._summaries(self.starts[number])
        block = jax.tree.map(lambda *leads: np.stack(leads), *summaries)
        records = slice(number * (self.steps + 1), (number + 1) * (self.steps + 1))
        record = Record(
            cycle=np.arange(records.start, records.stop),
            time=self._times()[records],
            truth=block.truth,
            mean=block.mean,
            spread=block.spread,
            members=None,
            y=np.zeros((self.steps + 1, 0)),
            info={},
            ranked=block.ranked._asdict(),
        )
        table = self.experiment.problem.network.table.iloc[:0]
        calendar = self.system.start is not None
        groups = label(self.system.layout, table, record, calendar=calendar)
        return {name: groups[name] for name in FIELDS}
