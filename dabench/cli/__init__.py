"""The command line: parse, call, print. Every verb prints what it wrote and what comes next.

Commands lie in modules by theme and import what they need when they are called, so that --help is
instant. What is longer than parsing and printing lies in the module that it belongs to.
"""

import sys
from typing import Annotated

import typer

from dabench.cli import (
    campaign,
    check,
    convert,
    exchange,
    fetch,
    forecast,
    inventory,
    leaderboard,
    new,
    run,
    score,
    show,
    train,
)
from dabench.cli.examples import epilog
from dabench.cli.notes import is_verbose, with_loudness
from dabench.cli.sweep import command as sweep
from dabench.cli.tune import command as tune
from dabench.core.environment import explained, print_anywhere
from dabench.core.errors import UserError, in_words, is_users, warnings_in_one_line
from dabench.core.version import __version__

HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="dabench",
    no_args_is_help=True,
    context_settings=HELP,
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


COMMANDS = {
    "run": run.run,
    "plot": score.plot,
    "score": score.score,
    "compare": score.compare,
    "show": show.show,
    "forecast": forecast.forecast,
    "leaderboard": leaderboard.app,
    "verify": score.verify,
    "new": new.new,
    "conformance": check.conformance,
    "train": train.train,
    "fetch": fetch.fetch,
    "convert": convert.convert,
    "export": exchange.export,
    "import": exchange.import_,
    "campaign": campaign.campaign,
    "sweep": sweep.sweep,
    "tune": tune.tune,
    "list": inventory.list_,
    "check": check.check,
    "schema": check.schema,
    "doctor": check.doctor,
}
for name, command in COMMANDS.items():
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name, epilog=epilog(name))(with_loudness(command))


def main() -> None:
    """The entry point: bugs of ours alone keep tracebacks.

    Mistakes of users and faults of the machine are one message and exit code 2; a fault in a user's
    own filter or system is one message, too, with its line, and exit code 1.
    """
    print_anywhere()
    try:
        with warnings_in_one_line():
            app()
    except Exception as error:
        fault = explained(error)
        if not is_users(fault) or (is_verbose() and not isinstance(fault, UserError)):
            raise
        print(f"dabench: {in_words(fault)}", file=sys.stderr)
        sys.exit(2 if isinstance(fault, UserError) else 1)
