"""`dabench campaign`: many scenarios, methods and seeds, one run after the other."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dabench.cli.notes import waiting
from dabench.cli.options import Out
from dabench.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from dabench.cli.queue import Row, Task
    from dabench.runs.execute import Job

LINE = ("scenario", "method", "seed", "status", "reason")
"""What a line says of a run."""
SKIPPED, LEFT_OUT, REFUSED, FAILED = "there already", "left out", "refused", "failed"


def campaign(
    scenarios: Annotated[list[str], typer.Argument(help="Paths or names of scenarios.")],
    method: Annotated[
        list[str] | None,
        typer.Option("--method", "-m", help="Only this method; may be repeated."),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds: 0-4, or 0,2,7.")] = "0",
    members: Annotated[int | None, typer.Option(min=1, help="Ensemble size.")] = None,
    sizes: Annotated[
        str | None,
        typer.Option(help="Several, 4,16,40: other than a method's own go beside it, letkf-n40."),
    ] = None,
    smooth: Annotated[
        int, typer.Option(metavar="LAG", min=0, help="Smooth: estimates see LAG cycles more.")
    ] = 0,
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    out: Out = Path("runs"),
    workers: Annotated[
        int, typer.Option(min=1, help="Runs at a time; several need Dask (extra `sweep`).")
    ] = 1,
    nice: Annotated[
        int, typer.Option(min=0, max=19, help="How far to give way to all other processes.")
    ] = 10,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is there and what would run; run nothing.")
    ] = False,
) -> None:
    """Run methods on many scenarios with many seeds, at low priority; what is there is skipped.

    A run that fails does not stop the others. Given again, the command goes on where it stopped.
    """
    from rich.console import Console

    from dabench.cli.options import seed_list
    from dabench.cli.queue import followed
    from dabench.cli.run import again
    from dabench.core.jax_setup import sigterm_interrupts

    if members and sizes:
        raise UserError("--members and --sizes: give one of the two")
    options: dict[str, Any] = {"members": members, "cycles": cycles, "smooth": smooth}
    options["out"] = str(out.absolute())
    _give_way(nice)
    with waiting("reading scenarios and methods"):
        tasks = queue(scenarios, method or (), seed_list(seeds), options, size_list(sizes))
    if dry_run:
        for task in tasks:
            typer.echo(" ".join([*map(str, task.about.values()), outlook(job_of(*task.arguments))]))
        return
    console = Console(stderr=True)
    try:
        with sigterm_interrupts():
            rows = followed(_results(tasks, workers, console), len(tasks), "runs", console, LINE)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped; all whole cycles are kept. Go on with:\n  {again()}", err=True)
        raise typer.Exit(130) from None
    _report(rows)


def queue(
    scenarios: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int],
    options: dict[str, Any],
    sizes: Sequence[int | None] = (None,),
) -> "list[Task]":
    """All runs, seed by seed, so that every board has its first rows early.

    Arguments:
        methods: Names of baselines; none means those that `dabench run` takes by default.
        options: Arguments of `execute.plan`, as plain data.
        sizes: Ensemble sizes; None is a method's own.
    Raises: UserError with a mistake in any scenario or method, before anything runs.
    """
    from dabench.cli.queue import Task
    from dabench.core.digest import sha256
    from dabench.scenario.baseline import DEFAULT_METHODS

    tasks = []
    names = dict.fromkeys(methods or DEFAULT_METHODS)
    for seed, scenario, method, size in product(seeds, dict.fromkeys(scenarios), names, sizes):
        path = str(Path(scenario).absolute()) if Path(scenario).is_file() else scenario
        arguments = (path, method, seed, options | {"size": size}, bool(methods))
        job = job_of(*arguments)
        about = {"scenario": job.experiment.scenario.name, "method": job.label, "seed": seed}
        tasks.append(Task(f"campaign-{sha256(list(arguments))[:16]}", about, arguments))
    return tasks


def size_list(text: str | None) -> list[int | None]:
    """`4,16,40` as numbers, each once; UserError if it is not of that form.

    Arguments:
        text: Ensemble sizes; None for that of each method alone.
    """
    if text is None:
        return [None]
    sizes = text.replace(" ", "").split(",")
    if not all(re.fullmatch(r"[1-9]\d{0,6}", size) for size in sizes):
        raise UserError(f"--sizes {text}: is not of the form 4,16,40")
    return list(dict.fromkeys(map(int, sizes)))


def job_of(scenario: str, method: str, seed: int, options: dict[str, Any], required: bool) -> "Job":
    """The run, ready to be started.

    Arguments:
        required: Whether the method was named; a default one is left out where it cannot work.
    """
    from dabench.runs.execute import plan

    (job,) = plan(scenario, methods=[method], seed=seed, **options)
    return replace(job, required=required)


def run_task(
    scenario: str,
    method: str,
    seed: int,
    options: dict[str, Any],
    required: bool,
    console: "Console | None" = None,
) -> "Row":
    """One run to its end, and its scores, unless they are there; what a worker does.

    A user's mistake is a result, too.
    """
    from dabench.runs.archive import read
    from dabench.runs.execute import Unfit
    from dabench.scores.files import ensure_scores

    job = job_of(scenario, method, seed, options, required)
    row: Row = {"scenario": job.experiment.scenario.name, "method": job.label, "seed": seed}
    try:
        ended = read.ended(job.folder)
        status = ended if is_there(job) else job.run(console=console)
        ensure_scores(job.folder)
    except (UserError, Unfit) as e:
        kind = LEFT_OUT if isinstance(e, Unfit) else REFUSED
        return row | {"status": kind, "reason": str(e), "folder": None}
    text = SKIPPED if ended else str(status)
    return row | {"status": text, "reason": "", "folder": str(job.folder)}


def is_there(job: "Job") -> bool:
    """Whether the run has ended, with this problem, these settings and the system as it is now.

    The system is not opened for it; where only that can tell, the run is not taken to be there.
    """
    from dabench.leaderboard.stale import system_now
    from dabench.runs.archive import read

    attrs = read.attributes(job.folder)
    if attrs is None or read.ended(job.folder) is None:
        return False
    scenario, method = job.experiment.scenario, job.baseline
    request = {
        "scenario": scenario.problem(),
        "filter": method.filter,
        "settings": dict(method.settings),
        "members": method.members,
    }
    identity = attrs["identity"]
    same = json.loads(json.dumps(request)) == {name: identity[name] for name in request}
    system = json.dumps(scenario.plain()["system"], sort_keys=True)
    return same and identity["system"]["digest"] == system_now(system)


def outlook(job: "Job") -> str:
    """What would become of a run."""
    from dabench.runs.archive import read

    attrs = read.attributes(job.folder)
    if attrs is None:
        return "to be run"
    if read.ended(job.folder) is None:
        return f"to be gone on with after cycle {attrs['completed']} of {attrs['cycles']}"
    return SKIPPED if is_there(job) else "ended; compared with what is asked when it is its turn"


def _results(tasks: "Sequence[Task]", workers: int, console: "Console") -> "Iterable[Row]":
    """The row of every run, made here or by as many other processes."""
    from dabench.cli.queue import on_client, one_by_one
    from dabench.cli.sweep.execute import client

    if workers == 1:
        yield from one_by_one(tasks, partial(run_task, console=console))
        return
    with client(None, None, workers, "") as connection:
        yield from on_client(connection, tasks, run_task, retries=0)


def _give_way(nice: int) -> None:
    """Lower the priority of this process and of those that it starts, where the system can."""
    if hasattr(os, "nice"):
        os.nice(nice)


def _report(rows: "Sequence[Row]") -> None:
    """How many runs ended in which way; exit code 1 for bugs, 2 for users' mistakes alone."""
    counts = Counter(str(row["status"]).partition(" at ")[0] for row in rows)
    typer.echo(", ".join(f"{count} {status}" for status, count in counts.items()))
    bad = [row for row in rows if row["status"] in (FAILED, REFUSED)]
    for row in bad:
        typer.echo(f"  {row['scenario']} {row['method']} seed {row['seed']} {row['status']}: "
                   f"{row['reason']}", err=True)  # fmt: skip
    typer.echo("next      dabench compare; dabench leaderboard")
    if bad:
        raise typer.Exit(1 if counts[FAILED] else 2)
