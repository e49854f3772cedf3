"""Make runs: `run`."""

import shlex
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dabench.cli.notes import error_console, is_quiet, is_verbose, logged, note, waiting
from dabench.cli.options import Out
from dabench.cli.score import draw
from dabench.core.errors import Caution, UserError, is_users

if TYPE_CHECKING:
    from dabench.runs.execute import Job, Outcome

DIVERGED = 3
"""Exit code where all went well but that a method diverged."""


def run(
    scenario: Annotated[str, typer.Argument(help="A scenario's path or name.")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="Only this method: a name, a file, or my_package:my_filter; may be repeated.",
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A method's setting; may be repeated."),
    ] = None,
    members: Annotated[int | None, typer.Option(min=1, help="Ensemble size.")] = None,
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything random.")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Several in place of one: 0-4, or 0,2,7.")
    ] = None,
    out: Out = Path("runs"),
    system: Annotated[str | None, typer.Option(help="Another system.")] = None,
    profile: Annotated[str | None, typer.Option(help="A profile of the methods' files.")] = None,
    tag: Annotated[
        str | None, typer.Option(help="Name of a trial, kept beside the first run: letkf-NAME.")
    ] = None,
    smooth: Annotated[
        int, typer.Option(metavar="LAG", min=0, help="Smooth: estimates see LAG cycles more.")
    ] = 0,
    fresh: Annotated[
        bool,
        typer.Option("--fresh/--resume", help="Set old runs aside, or go on where they stopped."),
    ] = False,
    store_members: Annotated[
        bool | None,
        typer.Option(
            "--store-members/--no-store-members",
            help="Archive every member, or not. By default where they take less than 1 GiB.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Estimate; run nothing.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Estimate by a cycle of every method; slow.")
    ] = False,
    log: Annotated[
        Path | None, typer.Option(help="Write what is reported to this file, too, with times.")
    ] = None,
    coordinator: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Run with other processes: the first one's address."
        ),
    ] = None,
    count: Annotated[int | None, typer.Option("--processes", min=1, help="How many.")] = None,
    process: Annotated[int | None, typer.Option(min=0, help="Which of them this is.")] = None,
) -> None:
    """Run methods on a scenario, score them, draw them and print a table.

    What has ended is not run again. Exit code 2: a mistake in what was asked; 3: a method diverged.
    """
    from dabench.cli.options import seed_list
    from dabench.core import processes
    from dabench.runs import execute as running

    if seed is not None and seeds is not None:
        raise UserError("--seed and --seeds: give one of the two")
    processes.join(coordinator, count, process)
    options = {
        "methods": method or (),
        "changes": change or (),
        "members": members,
        "cycles": cycles,
        "out": out,
        "system": system,
        "profile": profile,
        "tag": tag,
        "smooth": smooth,
    }
    every = [seed] if seeds is None else seed_list(seeds)
    plans = processes.run_on_all(lambda: [running.plan(scenario, seed=s, **options) for s in every])
    if dry_run or measure:
        _estimate(plans[0], store_members, measure)
        return
    jobs = [job for plan in plans for job in plan]
    console = error_console() if processes.leads() else None
    try:
        with logged(log if processes.leads() else None):
            outcome = running.execute(
                jobs, fresh=fresh, store_members=store_members, console=console
            )
        processes.separate()
        if processes.leads():
            evaluate(outcome.folders, out)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped; all whole cycles are kept. Go on with:\n  {again()}", err=True)
        raise typer.Exit(130) from None
    _end(outcome)


def _end(outcome: "Outcome") -> None:
    """Exit with the code of what went wrong; bugs of our own, which were told briefly, are raised.

    Raises: what failed, where -q kept it from being told, or -v asks for all of it.
    """
    failures = outcome.failures
    if is_quiet() or is_verbose() or not all(map(is_users, failures)):
        outcome.reraise()
    if failures:
        raise typer.Exit(2 if all(isinstance(e, UserError) for e in failures) else 1)
    if outcome.diverged:
        raise typer.Exit(DIVERGED)


def _estimate(jobs: "list[Job]", store_members: bool | None, measure: bool) -> None:
    from rich.console import Console

    from dabench.runs import estimate

    console = Console()
    tried = "every method" if measure else "the forecast model"
    with waiting(f"trying {tried}"), console.capture() as text:  # no line between those of the wait
        estimate.show(jobs, store_members, console, measure=measure)
    typer.echo(text.get(), nl=False)


def evaluate(folders: list[Path], out: Path) -> None:
    """All that follows from archives alone: scores, figures, the table."""
    from rich.console import Console

    from dabench.leaderboard import ties
    from dabench.leaderboard.terminal import boards, results
    from dabench.scores.diagnostics import unsolved
    from dabench.scores.files import FILE, ensure_scores

    scores = []
    for folder in folders:
        with waiting(f"scoring {folder}"):
            scores.append(ensure_scores(folder))
        note(f"scores    {folder / FILE}")
        if caution := unsolved(scores[-1].ensemble):
            warnings.warn(f"{folder}: {caution}", Caution, stacklevel=2)
    draw(folders, None)
    Console().print(results(scores))
    if any(ties.UNDECIDED in ties.marks(board).values() for board in boards(scores)):
        note(f"decide    {_with_more_seeds(min(run.seed for run in scores))}")
    if folders:
        _tell_what_is_next(out)


def _with_more_seeds(first: int) -> str:
    """This command for as many seeds as a verdict needs, from a first one on."""
    from dabench.scores.compare import CLUSTERS

    words = sys.argv[1:]
    while flag := next((word for word in words if word in ("--seed", "--seeds")), ""):
        place = words.index(flag)
        words = words[:place] + words[place + 2 :]
    return shlex.join(["dabench", *words, "--seeds", f"{first}-{first + CLUSTERS - 1}"])


def _tell_what_is_next(out: Path) -> None:
    where = "" if out == Path("runs") else shlex.quote(str(out))
    note(f"next      dabench compare {where}".rstrip())
    note(f"site      dabench leaderboard {where and f'build {where}'}".rstrip())


def again() -> str:
    """The command that goes on where this one stopped."""
    return shlex.join(["dabench", *(a for a in sys.argv[1:] if a != "--fresh")])
