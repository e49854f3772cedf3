"""`dabench leaderboard`: build the site, add runs to the published results, look at it."""

from pathlib import Path
from typing import Annotated

import typer

from dabench.cli.notes import note, waiting, with_loudness
from dabench.core.errors import UserError
from dabench.leaderboard import RESULTS
from dabench.leaderboard.serve import server

SITE = Path("runs/leaderboard")

app = typer.Typer(
    help="The leaderboard: build (what happens if nothing else is said), add, serve.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Sources = Annotated[list[Path] | None, typer.Argument(help="Runs, or folders of them.")]
Out = Annotated[Path, typer.Option(help="Folder of the site.")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """The leaderboard: build (what happens if nothing else is said), add, serve."""
    if context.invoked_subcommand is None:
        build()


def build(
    runs: Sources = None,
    out: Out = SITE,
    published: Annotated[
        bool, typer.Option("--published", help="The committed results alone, no runs.")
    ] = False,
) -> None:
    """Build the site of all published results and of runs of one's own (default: runs)."""
    if published and runs:
        raise UserError("--published: takes no runs")
    own = [] if published else [folder for folder in [Path("runs")] if folder.exists()]
    write(runs or own, out)
    note(f"next      dabench leaderboard serve --out {out}")


def write(runs: list[Path], out: Path) -> None:
    """The site of published results and runs; a run stands for a result of the same experiment."""
    from dabench.leaderboard.site import build
    from dabench.scenario import catalogue

    with waiting("building the site of all results"):
        page = build([*catalogue.folders(RESULTS)[:1], *runs], out)
    typer.echo(f"page      {page}")


def add(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs (runs/.../seed0).")],
    to: Annotated[Path, typer.Option(help="Folder of published results.")] = Path(RESULTS),
    author: Annotated[str | None, typer.Option(help="Who made the runs, for their pages.")] = None,
) -> None:
    """Add runs to the published results, which are kept under version control."""
    from dabench.leaderboard.results import add
    from dabench.runs.archive.read import find_runs

    folders = [folder for run in runs for folder in find_runs(run)]
    if not folders:
        raise UserError(f"no runs in {', '.join(map(str, runs))}; `dabench run` makes some.")
    files = add(folders, to, author)
    for file in files:
        typer.echo(f"result    {file}")
    note(f"next      dabench verify {files[0]}")


def serve(
    out: Out = SITE,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
) -> None:
    """Show the site on this machine alone, at http://127.0.0.1:PORT, until Ctrl-C."""
    with server(out, port) as here:
        typer.echo(f"page      http://127.0.0.1:{here.server_port}/")
        try:
            here.serve_forever()
        except KeyboardInterrupt:
            typer.echo("stopped")


for verb in (build, add, serve):
    app.command()(with_loudness(verb))
