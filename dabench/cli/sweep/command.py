"""`dabench sweep`: expand, run, report."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dabench.cli.sweep import execute, report, spec
from dabench.core.errors import UserError
from dabench.runs.experiment import Experiment
from dabench.scores.score import MEANS, ROOTS

SCORED = (*MEANS, *ROOTS, *(f"{name}_root_first" for name in ROOTS), "spread_skill")
"""Metrics of a headline, see `score.headline`."""


def sweep(
    file: Path,
    out: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    cluster: str | None = None,
    options: str = "",
    retries: int = 2,
    dry_run: bool = False,
    console: Console | None = None,
) -> list[Path]:
    """Run what a sweep's file asks for, and write its report; UserError if a run failed.

    Arguments:
        out: Folder of all sweeps; this one's has the name of its file.
        workers: Processes of the local cluster, or jobs of the batch system.
        scheduler, cluster, options: See `execute.client`.
        retries: How often to try a run again.
        dry_run: Check every point, say how many there are, and run nothing.
    """
    console, wanted, home = console or Console(stderr=True), spec.load(file), out / file.stem
    found = spec.points(wanted)
    for point in found:
        point.job(home)
    check_target(wanted.score, found[0].job(home).experiment)
    if dry_run:
        console.print(f"{len(found)} runs, all sound, in {home / 'runs'}", soft_wrap=True)
        return []
    with execute.client(scheduler, cluster, workers, options) as client:
        results = execute.execute(client, found, home, wanted.score, retries)
        rows = _watched(results, len(found), file.stem, console)
    files = report.write(rows, home, wanted.score.label)
    if bad := [r for r in rows if r["status"] in ("failed", "refused")]:
        lines = [f"  {r['digest']} {r['method']} {r['status']}: {r['reason']}" for r in bad[:8]]
        raise UserError(f"{len(bad)} of {len(rows)} runs have no score:\n" + "\n".join(lines))
    return files


def check_target(target: spec.Target, experiment: Experiment) -> None:
    """UserError where the score that is asked for is none that a run has."""
    if target.metric not in SCORED:
        known = ", ".join(SCORED)
        raise UserError(f"score.metric: {target.metric} is not one of {known}")
    if target.variable is None:
        return
    cells = [(c.name, c.level) for c in experiment.system.layout.channels]
    if (target.variable, target.level) not in [*cells, ("all", None)]:
        known = ", ".join(name if p is None else f"{name} at level {p:g}" for name, p in cells)
        raise UserError(
            f"score: there is no {target.variable} at level {target.level}; there are {known}"
        )


def _watched(results: Any, total: int, name: str, console: Console) -> list[dict[str, Any]]:
    """All results; a bar while they come, or a line each where there is no terminal."""
    columns = TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    rows = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total)
        for row in results:
            rows.append(row)
            bar.advance(task)
            text = f"{row['digest']} {row['method']} {row['status']} {row['score']}"
            console.print(text, markup=False, soft_wrap=True)
    return rows
