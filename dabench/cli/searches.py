"""Choose settings: `sweep`, `tune`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer


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
) -> None:
    """Run a grid or random search over settings on Dask; draw scores against settings."""
    from dabench.cli.sweep.command import sweep as run_sweep

    files = run_sweep(
        file,
        out,
        workers=workers,
        scheduler=scheduler,
        cluster=cluster,
        options=options,
        retries=retries,
        dry_run=dry_run,
    )
    for written in files:
        typer.echo(f"written   {written}")


def tune(
    scenario: Annotated[str, typer.Argument(help="A scenario's path or name.")],
    method: Annotated[str, typer.Argument(help="The method's name.")],
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=A,B,C", help="Values to try, or KEY=LOW..HIGH; may be repeated."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="No trial begins later than this.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="crps or rmse, in climatological standard deviations.")
    ] = "crps",
    seed: Annotated[int, typer.Option(help="1000 or more: smaller ones are scored.")] = 1000,
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    offset: Annotated[
        int | None, typer.Option(min=0, help="Where the period to tune on begins, in cycles.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="The same as ISO time.")] = None,
    out: Annotated[Path, typer.Option(help="Where trials are kept.")] = Path("runs/tune"),
    write: Annotated[
        Path | None, typer.Option(help="File to write; default baselines/SCENARIO/METHOD.yaml.")
    ] = None,
) -> None:
    """Find a method's settings on a period that the scenario does not score; write its baseline."""
    from dabench.cli.tune.command import tune as find

    try:
        file = find(
            scenario,
            method,
            changes=change or (),
            most=trials,
            seconds=seconds,
            metric=metric,
            seed=seed,
            cycles=cycles,
            offset=offset,
            start=start,
            out=out,
            write=write,
            say=typer.echo,
        )
    except KeyboardInterrupt:
        typer.echo("\nStopped; trials are kept, and the same command goes on with them.", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"baseline  {file}")
    typer.echo(f"next      dabench run {shlex.quote(scenario)} -m {shlex.quote(method)}")
