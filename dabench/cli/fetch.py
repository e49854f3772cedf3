"""`dabench fetch`: GenCast's files and frames of ERA5 into the cache."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dabench.core.errors import UserError

ERA5 = "era5"


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
    from rich.console import Console

    from dabench.systems.gencast.fetch import era5, progress, weights
    from dabench.systems.gencast.request import request

    _check(what)
    console = Console(stderr=True)
    options: Any = {"source": source, "dest": dest, "dry_run": dry_run, "console": console}
    for name in what:
        if name == ERA5:
            era5.fetch(request(scenario, start, cycles, resolution), **options)
        else:
            weights.fetch(name, examples=examples, **options)
    if not dry_run:
        progress.line(console, f"next      {_next(what, scenario)}")


def _check(names: list[str]) -> None:
    """UserError for the first name that stands for nothing, before anything is fetched."""
    from dabench.scenario.validate import suggest
    from dabench.systems.gencast import official

    names_known = (*official.MODELS, *official.SAMPLES, ERA5)
    for name in names:
        if name not in names_known:
            raise UserError(f"fetch: nothing is known as {name!r}; {suggest(name, names_known)}")


def _next(what: list[str], scenario: str | None) -> str:
    """The command that uses what was fetched."""
    if ERA5 not in what:
        return "dabench fetch era5 --scenario SCENARIO"
    return f"dabench run {scenario or 'SCENARIO'}"
