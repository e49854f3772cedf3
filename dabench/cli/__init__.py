"""The command line: parse, call, print. Every verb prints what it wrote and what comes next.

Commands lie in modules by theme and import what they need when they are called, so that --help is
instant. What is longer than parsing and printing lies in the module that it belongs to.
"""

import sys
from typing import Annotated

import typer

from dabench.cli import campaign, check, exchange, fetch, leaderboard, run, score, train
from dabench.cli.sweep import command as sweep
from dabench.cli.tune import command as tune
from dabench.core.errors import UserError, warnings_in_one_line
from dabench.core.version import __version__

app = typer.Typer(
    name="dabench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _tell_version(version: bool) -> None:
    if version:
        typer.echo(f"dabench {__version__}")
        raise typer.Exit


@app.callback()
def dabench(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """A benchmark of data assimilation with diffusion forecast models."""


app.command()(run.run)
app.command()(score.plot)
app.command()(score.score)
app.command()(score.compare)
app.add_typer(leaderboard.app, name="leaderboard")
app.command()(score.verify)
app.command()(check.conformance)
app.command()(train.train)
app.command()(fetch.fetch)
app.command()(exchange.export)
app.command("import")(exchange.import_)
app.command()(campaign.campaign)
app.command()(sweep.sweep)
app.command()(tune.tune)
app.command("list")(check.list_)
app.command()(check.check)
app.command()(check.schema)
app.command()(check.doctor)


def main() -> None:
    """The entry point: users' mistakes are one message and exit code 2, bugs keep tracebacks."""
    try:
        with warnings_in_one_line():
            app()
    except UserError as e:
        print(f"dabench: {e}", file=sys.stderr)
        sys.exit(2)
