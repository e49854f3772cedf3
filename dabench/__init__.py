"""A benchmark of data assimilation with diffusion forecast models.

    scenario ──► system ──► observe ──► filter ──► archive ──► score ──► leaderboard
     (yaml)    model+truth    y, h, R    init/step    (zarr)     (json)     (html)

From a script or a notebook, everything begins with these functions; nothing is imported before it
is used:

    load_scenario   a problem from its file
    run             methods on a problem, each to an archive with its scores
    open_run        what an earlier run left on disk
    score           scores of a run, written beside its archive
    compare         whether one method is better than another, and how surely
    leaderboard     a site of runs and published results

Notation inside algorithms (words with units at the edges: YAML, command line, archive):

    k  assimilation cycle       x   one member, current cycle       y   observation
    n  number of members        x'  next cycle (x_next in code)     h   observation operator
    w  weights, sum to one      z   noisy x', normalised            R   observation-error covariance
    D  denoiser E[x' | z]       J   its Jacobian dD/dz              C   covariance of the noise
    sigma  noise level of z; the letter t is kept for physical time, never diffusion time

Words, each with one meaning:

    scenario        the problem file: system, observations, period, initial members, seed
    system          forecast model, truth and climate together; the model is a part of it
    network         all observations of a cycle: h, R and a table of what they are (a neural network
                    is called a denoiser)
    group           observations of one kind in a scenario
    state           the vector that is estimated; a frame of it is one time, a channel one field at
                    one level, a point one place
    method          what tables name; a filter is its two functions, a baseline its settings file
    filters.Problem what a filter may know of a scenario
    twin            truth, observations and initial members of one seed
    experiment      a scenario with its system; a job is one method on it, a run what a job left on
                    disk
    archive         the zarr of a run
    cycle           one assimilation; a step is one call of the filter in it (one call of the
                    denoiser is an evaluation)
    cell            a variable at a level
    scores          the scores of one run; a result is the committed file of one method, all seeds
    board           one problem's table; a row is one method in it
    unit            points that an analysis treats together; a block is as many units as fit into
                    memory at a time, a part is one device's share
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dabench.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from os import PathLike
    from pathlib import Path

    import pandas as pd

    from dabench.scenario.scenario import Scenario
    from dabench.scores.record import Scores
    from dabench.scores.run import Run

    def leaderboard(
        sources: Iterable[str | PathLike[str]], out: str | PathLike[str] = "runs/leaderboard"
    ) -> Path: ...


__all__ = ["__version__", "compare", "leaderboard", "load_scenario", "open_run", "run", "score"]


def load_scenario(path_or_name: str | PathLike[str]) -> Scenario:
    """Read a scenario from a file, or by its name from the folders of known scenarios.

    Arguments:
        path_or_name: Path of a YAML file, or a name that `dabench list` shows.
    Raises: UserError with every problem that the file has.

    Example:
        >>> import dabench
        >>> scenario = dabench.load_scenario("lorenz96-sakov2008")
        >>> scenario.system.name, scenario.period.cycles
        ('lorenz96', 4000)
    """
    from os import fspath

    from dabench.scenario.load import load_scenario

    return load_scenario(fspath(path_or_name))


def run(
    scenario: str | PathLike[str] | Scenario,
    *,
    methods: Sequence[str] = (),
    members: int | None = None,
    cycles: int | None = None,
    seed: int | None = None,
    system: str | None = None,
    profile: str | None = None,
    tag: str | None = None,
    changes: Sequence[str] = (),
    out: str | PathLike[str] = "runs",
    fresh: bool = False,
    store_members: bool | None = None,
) -> list[Run]:
    """Run methods on a scenario, each to the end of its archive, and score them.

    A run that is already on disk goes on where it stopped; one that has ended is left as it is.

    Arguments:
        scenario: The scenario, its file or its name.
        methods: Names of baselines, paths of their files, or `my_package:my_filter`; default the
            scenario's usual methods.
        members: Ensemble size in place of the baselines'.
        cycles: Number of cycles in place of the scenario's.
        seed: Seed in place of the scenario's.
        system: System in place of the scenario's: a name, or YAML with settings.
        profile: Profile of the baselines' files, a named set of other settings.
        tag: Name of a trial, which is kept beside the first run.
        changes: Settings of the filters in place of the baselines', as `key=value`.
        out: Folder of all runs.
        fresh: Set runs of an earlier time aside and begin anew.
        store_members: Archive every member; default where all take less than 1 GiB.
    Raises: UserError before anything runs, if something asked for does not exist; what a method
        raises, once the other methods have ended.

    Example:
        >>> import dabench
        >>> methods = ["letkf", "ensemble"]
        >>> letkf, ensemble = dabench.run("linear_gaussian", methods=methods, cycles=40)
        >>> letkf
        <Run: letkf on linear_gaussian, seed 0, complete, state: RMSE 0..., spread 0..., CRPS 0...>
        >>> cell = "state", None  # a variable, and its level if it has one
        >>> letkf.scores.value(cell, "rmse") < ensemble.scores.value(cell, "rmse")
        True
    """
    from dabench.runs import execute
    from dabench.scores.files import ensure_scores

    jobs = execute.plan(
        scenario,
        methods=methods,
        changes=changes,
        members=members,
        cycles=cycles,
        seed=seed,
        out=out,
        system=system,
        profile=profile,
        tag=tag,
    )
    outcome = execute.execute(jobs, fresh=fresh, store_members=store_members)
    outcome.reraise()
    for folder in outcome.folders:
        ensure_scores(folder)
    return [open_run(folder) for folder in outcome.folders]


def open_run(folder: str | PathLike[str]) -> Run:
    """Open a run that is on disk; arrays are read when they are used.

    Arguments:
        folder: Folder of the run, or its archive.zarr.
    Raises: UserError where there is no run.

    Example:
        >>> import dabench
        >>> run = dabench.open_run("runs/linear_gaussian/linear_gaussian/letkf/seed0")
        >>> run.method, run.seed, str(run.status)
        ('letkf', 0, 'complete')
        >>> run.archive["mean"]["state"].dims
        ('cycle', 'site')
    """
    from dabench.scores.run import Run

    return Run.open(folder)


def score(run: str | PathLike[str] | Run) -> Scores:
    """Score a run, and write the scores beside its archive.

    Arguments:
        run: The run or its folder.
    Returns:
        Values over the cycles after the spin-up with 95 % intervals, and values of every cycle.
    Raises: UserError where there is no run, or no cycle is complete.

    Example:
        >>> import dabench
        >>> scores = dabench.score("runs/linear_gaussian/linear_gaussian/letkf/seed0")
        >>> crps = scores.score(("state", None), "crps")
        >>> crps.low < crps.value < crps.high
        True
    """
    from pathlib import Path

    from dabench.scores.files import score_run

    return score_run(Path(run))


def compare(
    a: str | PathLike[str] | Run | Sequence[str | PathLike[str] | Run],
    b: str | PathLike[str] | Run | Sequence[str | PathLike[str] | Run],
    *,
    metrics: Sequence[str] = ("rmse", "crps"),
    regions: Sequence[str] = ("global",),
    test: str = "ewc",
    correct: str = "bh",
    level: float = 0.95,
) -> pd.DataFrame:
    """Compare method a with method b, cycle by cycle after the spin-up.

    Arguments:
        a: Runs of method a or their folders, one a seed.
        b: Runs of method b on the same problem, at least one with a seed that a has.
        metrics: Metrics out of rmse, crps, crps_plain, mae and spread.
        regions: Regions such as global, tropics or land.
        test: Significance test for one seed: ewc, geer, diebold_mariano or bootstrap.
        correct: Correction for the number of tests: bh, sidak or none.
        level: Level of the intervals.
    Returns:
        A row a variable, level, region and metric with both values, their difference and its
        interval, p-values and a verdict on a: better, worse, same or insufficient data.
    Raises: UserError where the runs are not of one problem.

    Example:
        >>> import dabench
        >>> runs = "runs/linear_gaussian/linear_gaussian"
        >>> table = dabench.compare(f"{runs}/letkf/seed0", f"{runs}/ensemble/seed0")
        >>> bool((table["ratio"] < 1).all())  # smaller scores are better
        True
    """
    from dabench.scores.compare import compare

    return compare(
        _folders(a),
        _folders(b),
        metrics=metrics,
        regions=regions,
        test=test,
        correct=correct,
        level=level,
    )


def _folders(runs: Any) -> list[Path]:
    """Folders of one run or of several."""
    from os import PathLike
    from pathlib import Path

    return [Path(run) for run in ([runs] if isinstance(runs, str | PathLike) else runs)]


def __getattr__(name: str) -> Any:
    if name != "leaderboard":
        raise AttributeError(f"module 'dabench' has no attribute {name!r}")
    from importlib import import_module

    return import_module("dabench.leaderboard")  # a package that can be called


def __dir__() -> list[str]:
    return sorted(__all__)
