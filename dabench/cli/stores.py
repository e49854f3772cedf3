"""Bring in and give away: `fetch`, `export`, `import`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from dabench.cli.options import Out


def fetch(
    what: Annotated[list[str], typer.Argument(help="gencast_1p0deg, .. or era5.")],
    scenario: Annotated[str | None, typer.Option(help="Whose frames of ERA5.")] = None,
    start: Annotated[str | None, typer.Option(help="ISO time of cycle 0.")] = None,
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    resolution: Annotated[float | None, typer.Option(help="Of the frames, in degrees.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="URL or folder in place of the official one.")
    ] = None,
    dest: Annotated[
        Path | None, typer.Option(help="Folder in place of DABENCH_CACHE or the user's cache.")
    ] = None,
    examples: Annotated[bool, typer.Option("--examples", help="The example batch, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what and how much.")] = False,
) -> None:
    """Get GenCast's weights and statistics, or the frames of ERA5 that a scenario needs."""
    from dabench.cli.fetch import fetch as fetch_all

    fetch_all(
        what,
        scenario=scenario,
        start=start,
        cycles=cycles,
        resolution=resolution,
        source=source,
        dest=dest,
        examples=examples,
        dry_run=dry_run,
    )


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    format: Annotated[str, typer.Option(help="weatherbench2.")] = "weatherbench2",
    out: Annotated[Path | None, typer.Option(help="New folder; default in the run's own.")] = None,
    background: Annotated[
        bool,
        typer.Option(help="Lead 12 h, too: forecasts drawn anew from every analysis (costly)."),
    ] = False,
) -> None:
    """Write a run as a forecast store that WeatherBench 2 reads, with its truth."""
    from dabench.cli.exchange import export as export_run

    typer.echo(f"forecast  {export_run(run, format, out, background)}")


def import_(
    store: Annotated[str, typer.Argument(help="Zarr with analyses, as WeatherBench 2 has them.")],
    scenario: Annotated[str, typer.Option(help="Whose truth and period it is held to.")],
    name: Annotated[str, typer.Option(help="Of the method that made it.")],
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    out: Out = Path("runs"),
) -> None:
    """Make someone else's analyses a run, marked as external, to be scored beside ours."""
    from dabench.runs.exchange.import_ import import_store

    folder = import_store(store, scenario, name, out, cycles)
    typer.echo(f"run       {folder}")
    typer.echo(f"next      dabench score {shlex.quote(str(folder))}")
