"""A scenario and its methods, from YAML to archives."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from dabench.core import processes
from dabench.core.errors import UserError, in_words
from dabench.core.jax_setup import sigterm_interrupts
from dabench.runs import memory, progress
from dabench.runs.archive import folder, read
from dabench.runs.archive.status import Status
from dabench.runs.experiment import Experiment, attributes
from dabench.scenario import catalogue, plugins
from dabench.scenario.baseline import DEFAULT_METHODS, Baseline, load_baseline
from dabench.scenario.load import change, load_scenario
from dabench.scenario.scenario import Scenario

if TYPE_CHECKING:
    from dabench.filters.base import Filter, Problem


class Unfit(Exception):
    """Raised for a default method that cannot work on the system; it is left out."""


@dataclass(frozen=True, eq=False)
class Job:
    """One method on one scenario.

    Arguments:
        experiment: The scenario, with its system.
        label: Name of the method, with its profile's if one is used.
        baseline: The method's settings.
        folder: Folder of the run.
        required: Whether the user named the method; a default one is left out where it cannot work.
        lag: Number of cycles that the estimate lies behind the newest observations; 0: a filter.
    """

    experiment: Experiment
    label: str
    baseline: Baseline
    folder: Path
    required: bool = True
    lag: int = 0

    @property
    def identity(self) -> dict[str, Any]:
        """All that determines the numbers, as plain data."""
        scenario = self.experiment.scenario
        content = scenario.problem()
        system, name = self.experiment.system, self.baseline.filter
        identity = {
            "scenario": content,
            "system": {"name": system.name, "digest": system.digest},
            "filter": name,
            "settings": dict(self.baseline.settings),
            "members": self.baseline.members,
        }
        if self.lag:
            identity["lag"] = self.lag
        if plugins.is_place(name):  # a file that is being worked on, rather than a package
            identity["source"] = plugins.source_digest(plugins.factory("filters", name))
        return identity

    def attrs(self) -> dict[str, Any]:
        """Attributes for the archive's root."""
        scenario, system = self.experiment.scenario, self.experiment.system
        trajectory = system.trajectory(scenario.seed) if system.trajectory else ""
        return attributes(scenario, self.identity, self.label, system.graph, trajectory)

    def filter(self, problem: "Problem | None" = None) -> "Filter":
        """The method's filter.

        Arguments:
            problem: Problem in place of the experiment's.
        Raises: UserError if it cannot work here; Unfit instead if the user did not name it.
        """
        from dabench.filters.checked import checked
        from dabench.filters.directions import as_vectors
        from dabench.filters.lagged import smoother
        from dabench.filters.nonnegative import nonnegative
        from dabench.filters.whitened import whitened

        factory = plugins.factory("filters", self.baseline.filter)

        def make(problem: "Problem") -> "Filter":
            bare = partial(factory, **self.baseline.arguments)
            white = partial(whitened, bare)
            return nonnegative(checked(partial(as_vectors, white), problem), problem)

        try:
            problem = problem or self.experiment.problem
            method = smoother(make, problem, self.lag) if self.lag else make(problem)
            if self.baseline.members < method.least:
                raise UserError(
                    f"members: {self.baseline.members} is too few with these settings, "
                    f"{method.least} is the least"
                )
            return method
        except UserError as e:
            raise e if self.required else Unfit(e) from None

    def run(
        self,
        *,
        fresh: bool = False,
        store_members: bool | None = None,
        console: Console | None = None,
    ) -> Status:
        """Run the method to the end of its archive, and return the status of the run.

        Arguments:
            fresh: Set an old run aside, instead of going on where it stopped.
            store_members: Archive every member, see `execute`.
            console: Console for progress; default none.
        """
        console = console or Console(quiet=True)
        with ExitStack() as locks:
            processes.run_on_first(lambda: locks.enter_context(folder.lock(self.folder)))
            aside = fresh and processes.run_on_first(lambda: folder.set_aside(self.folder))
            if aside:
                progress.say(console, f"{self.label:12} the old run is now {aside}")
            folder.check(self.folder, self.identity, self.experiment.system.graph)
            if store_members is None and (status := read.ended(self.folder)):
                return status
            return self._run(processes.run_on_all(self.filter), store_members, console)

    def _run(self, method: "Filter", store_members: bool | None, console: Console) -> Status:
        from dabench.runs import cycle

        self.folder.mkdir(exist_ok=True)
        twin = self.experiment.twin_of_lag(self.lag) if self.lag else self.experiment.twin
        with progress.watch(self.label, twin.cycles, console) as report:
            return cycle.run(
                method,
                twin,
                self.baseline.members,
                self.folder,
                self.attrs(),
                store_members=store_members,
                report=report,
            )


class Outcome(NamedTuple):
    """The folders of runs that ended, and the errors of others."""

    folders: list[Path]
    failures: list[Exception]

    @property
    def diverged(self) -> list[Path]:
        """Folders of the runs whose ensemble stopped being finite."""
        ends = ((folder, read.ended(folder)) for folder in self.folders)
        return [folder for folder, status in ends if status is not None and status.diverged]

    def reraise(self) -> None:
        """Raise the errors, if there are any; users' mistakes as one UserError."""
        if self.failures and all(isinstance(e, UserError) for e in self.failures):
            raise UserError("\n".join(dict.fromkeys(map(str, self.failures))))
        if len(self.failures) > 1:
            raise ExceptionGroup(f"{len(self.failures)} methods failed", self.failures)
        if self.failures:
            raise self.failures[0]


def run(scenario: str | Path, **options: Any) -> list[Path]:
    """Run methods on a scenario, each to the end of its archive, and return their folders.

    Arguments:
        scenario: Path or name of the scenario.
        options: Arguments of `plan`, and `fresh`, `store_members`, `console` of `execute`.
    Raises: UserError before anything runs; errors of a method once the others have ended.
    """
    ours = {k: options.pop(k) for k in ("fresh", "store_members", "console") if k in options}
    outcome = execute(plan(scenario, **options), **ours)
    outcome.reraise()
    return outcome.folders


def plan(
    scenario: str | PathLike[str] | Scenario,
    *,
    methods: Sequence[str] = (),
    changes: Sequence[str] = (),
    members: int | None = None,
    size: int | None = None,
    cycles: int | None = None,
    seed: int | None = None,
    out: str | PathLike[str] = "runs",
    system: str | None = None,
    profile: str | None = None,
    tag: str | None = None,
    smooth: int = 0,
) -> list[Job]:
    """The jobs of `dabench run`; UserError with every mistake in scenario and methods.

    Arguments:
        scenario: The scenario, its path or its name.
        methods: Names of baselines; none means the scenario's default methods.
        changes: `key=value` for settings of the methods.
        members: Ensemble size in place of the baselines'.
        size: The same, but as a row beside the method's own: `letkf-n40`, where it is another.
        cycles: Number of cycles in place of the scenario's.
        seed: Seed in place of the scenario's.
        out: Folder of all runs.
        system: System in place of the scenario's.
        profile: Profile of the baselines' files.
        tag: Name of a trial, which goes into the folder beside the first run's.
        smooth: Lag of fixed-lag smoothers in cycles, in place of the filters; 0: filters.
    """
    if tag is not None and not catalogue.NAME.fullmatch(tag):
        raise UserError(f"--tag {tag}: cannot name a folder; use letters, digits, '-' and '_'")
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(fspath(scenario))
    scenario = change(scenario, cycles=cycles, seed=seed, system=system)
    experiment = Experiment(scenario)
    jobs = []
    for method in dict.fromkeys(methods or DEFAULT_METHODS):
        baseline = load_baseline(
            method, scenario.name, profile=profile, overrides=changes, members=members
        )
        another = size not in (None, baseline.members)
        if another:
            baseline = replace(baseline, members=size)
        parts = (profile, f"n{size}" if another else None, tag, f"lag{smooth}" if smooth else None)
        label = "-".join(filter(None, (baseline.name, *parts)))
        home = Path(out) / scenario.name / scenario.system.name.rpartition(":")[2] / label
        folder = home / f"seed{scenario.seed}"
        jobs.append(Job(experiment, label, baseline, folder, bool(methods), smooth))
    return jobs


def execute(
    jobs: Sequence[Job],
    *,
    fresh: bool = False,
    store_members: bool | None = None,
    console: Console | None = None,
) -> Outcome:
    """Run jobs one after the other; a job that fails does not keep the others from running.

    Where several processes run together, a bug in one of them ends all.

    Arguments:
        jobs: The jobs.
        fresh: Set old runs aside, instead of going on where they stopped.
        store_members: Archive every member; None: as a run that goes on did, or where all take
            less than 1 GiB.
        console: Console for progress and outcomes; default standard error.
    """
    console = console or Console(stderr=True, quiet=not processes.leads())
    outcome = Outcome([], [])

    def say(job: Job, text: str) -> None:
        progress.say(console, f"{job.label:12} {text}")

    with sigterm_interrupts(), processes.end_together():
        processes.run_on_all(lambda: _check(jobs, fresh))
        for job in jobs:
            begin = time.perf_counter()
            reused = not fresh and read.ended(job.folder) is not None
            try:
                status = job.run(fresh=fresh, store_members=store_members, console=console)
            except Unfit as e:
                say(job, f"left out: {e}")
            except Exception as error:
                if processes.several() and not isinstance(error, UserError):
                    raise
                e = memory.explained(error, job.experiment, job.baseline.members)
                outcome.failures.append(e)
                say(job, f"failed: {in_words(e)}")
            else:
                outcome.folders.append(job.folder)
                how = "reused" if reused else f"{time.perf_counter() - begin:.1f} s"
                say(job, f"{status}, {how}: {job.folder}")
    return outcome


def _check(jobs: Sequence[Job], fresh: bool) -> None:
    """UserError for mistakes that can be found before any method begins."""
    if not fresh:
        for job in jobs:
            folder.check(job.folder, job.identity, job.experiment.system.graph)
    if fresh or not all(read.ended(job.folder) for job in jobs):
        _ = jobs[0].experiment.twin  # what is wrong with it is wrong for all methods
        from dabench.runs.cautions import warn_of_samplers

        warn_of_samplers(jobs)
