"""`dabench convert`: reports of weather services as a table of values for a scenario."""

import shlex
from pathlib import Path
from typing import Annotated

import typer


def convert(
    sources: Annotated[
        list[Path], typer.Argument(help="Station files of IGRA v2 (text or zip), or BUFR.")
    ],
    out: Annotated[Path, typer.Option(help="The table: .csv or .parquet.")],
    start: Annotated[str | None, typer.Option(help="ISO time of the first report.")] = None,
    end: Annotated[str | None, typer.Option(help="ISO time of the last report.")] = None,
    variable: Annotated[
        list[str] | None, typer.Option(help="Only this variable; may be repeated.")
    ] = None,
    every_level: Annotated[
        bool, typer.Option("--all-levels", help="Significant levels, too; not mandatory alone.")
    ] = False,
) -> None:
    """Make a table of values of soundings (IGRA v2, TEMP) and surface reports (SYNOP).

    Nothing is interpolated. What is left out is said, with the reason.
    """
    from dabench.cli.notes import waiting
    from dabench.observe.convert.table import convert as to_table
    from dabench.scenario.columns import instant

    first = None if start is None else instant(start, "--start")
    last = None if end is None else instant(end, "--end")
    with waiting(f"reading {shlex.join(map(str, sources))}"):
        account = to_table(
            sources,
            out,
            every_level=every_level,
            variables=variable or (),
            first=first,
            last=last,
        )
    for line in account.lines():
        typer.echo(line)
    typer.echo(f"table     {out}")
    typer.echo(
        f"next      observations: {{file: {out.name}, error_std: ..}} in a scenario beside it"
    )
