"""`dabench sweep`: expand a file of settings to vary, run all of them, report."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dabench.cli.notes import waiting
from dabench.core.errors import UserError

if TYPE_CHECKING:
    from dabench.cli.sweep.spec import ScoreTarget
    from dabench.runs.experiment import Experiment

SHOWN = ("digest", "method", "status", "score")
"""What a line says of a run."""


def sweep(
    file: Annotated[Path, typer.Argument(help="What to vary (YAML).")],
    out: Annotated[Path, typer.Option(help="Where sweeps are kept.")] = Path("runs/sweeps"),
    workers: Annotated[
        int, typer.Option(min=1, help="Local processes, or jobs of a batch system.")
    ] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    cluster: Annotated[str | None, typer.Option(help="slurm, pbs or lsf: start jobs.")] = None,
    options: Annotated[str, typer.Option(help="JSON for the batch system: queue, memory, ..")] = "",
    retries: Annotated[int, typer.Option(min=0, help="How often to try a run again.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all; run nothing.")] = False,
) -> list[Path]:
    """Run a grid or random search over settings on Dask; draw scores against settings."""
    from rich.console import Console

    from dabench.cli.queue import followed
    from dabench.cli.sweep import execute, report, spec

    console, settings, home = Console(stderr=True), spec.load(file), out / file.stem
    with waiting("checking all runs"):
        points = spec.points(settings)
        for point in points:
            point.job(home)
        check_target(settings.score, points[0].job(home).experiment)
    if dry_run:
        console.print(f"{len(points)} runs, all sound, in {home / 'runs'}", soft_wrap=True)
        return []
    connected = execute.client(scheduler, cluster, workers, options)
    with ExitStack() as stack:
        with waiting("starting workers"):
            client = stack.enter_context(connected)
        results = execute.execute(client, points, home, settings.score, retries)
        rows = followed(results, len(points), file.stem, console, SHOWN)
    with waiting("drawing scores against settings"):
        files = report.write(rows, home, settings.score.label)
    if bad := [r for r in rows if r["status"] in ("failed", "refused")]:
        lines = [f"  {r['digest']} {r['method']} {r['status']}: {r['reason']}" for r in bad[:8]]
        raise UserError(f"{len(bad)} of {len(rows)} runs have no score:\n" + "\n".join(lines))
    for file in files:
        typer.echo(f"written   {file}")
    return files


def check_target(target: "ScoreTarget", experiment: "Experiment") -> None:
    """UserError where the score that is asked for is none that a run has."""
    from dabench.scores.metrics.registry import names

    if target.metric not in names():
        raise UserError(f"score.metric: {target.metric} is not one of {', '.join(names())}")
    if target.variable is None:
        return
    cells = [(c.name, c.level) for c in experiment.system.layout.channels]
    if (target.variable, target.level) not in [*cells, ("all", None)]:
        present = ", ".join(name if p is None else f"{name} at level {p:g}" for name, p in cells)
        raise UserError(
            f"score: there is no {target.variable} at level {target.level}; there are {present}"
        )
