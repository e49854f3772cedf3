"""Runs for other tools, and other tools' analyses as runs: `export`, `import`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from dabench.cli.options import Out
from dabench.core.errors import UserError

FORMATS = ("weatherbench2",)


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
    if format not in FORMATS:
        raise UserError(f"--format {format}: known are {', '.join(FORMATS)}")
    from dabench.runs.archive import read
    from dabench.runs.exchange import evaluation, recorded
    from dabench.runs.exchange import export as weatherbench2

    forecasts = None
    if background:
        from dabench.runs.exchange.background import background as draw_forecasts

        forecasts = draw_forecasts(run)
    attrs, folder = read.open_run(run).attrs, out or run / format
    store = weatherbench2.export(run, folder, forecasts, recorded.land(attrs))
    typer.echo(f"forecast  {store}")
    typer.echo(f"evaluate  {shlex.join(evaluation.command(folder, attrs['spinup']))}")


def import_(
    store: Annotated[str, typer.Argument(help="Zarr with analyses, as WeatherBench 2 has them.")],
    scenario: Annotated[str, typer.Option(help="Whose truth and period it is held to.")],
    name: Annotated[str, typer.Option(help="Of the method that made it.")],
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    out: Out = Path("runs"),
) -> None:
    """Make someone else's analyses a run, marked as external, to be scored beside ours."""
    from dabench.runs.exchange.import_ import import_store

    def note(line: str) -> None:
        typer.echo(f"store     {line}")

    folder = import_store(store, scenario, name, out, cycles, note)
    typer.echo(f"run       {folder}")
    typer.echo(f"next      dabench score {shlex.quote(str(folder))}")
