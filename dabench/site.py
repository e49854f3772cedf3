"""`dabench leaderboard`: build the site, add runs to the published results, look at it."""

from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import typer

from dabench.errors import UserError

RESULTS = "leaderboard/results"
SITE = Path("runs/leaderboard")

app = typer.Typer(
    help="The leaderboard: build (what happens if nothing else is said), add, serve.",
    add_completion=False,
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


@app.command()
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
    typer.echo(f"next      dabench leaderboard serve --out {out}")


def write(runs: list[Path], out: Path) -> None:
    """The site of published results and runs; a run stands for a result of the same experiment."""
    from dabench import library
    from dabench.leaderboard import build

    page = build([*library.folders(RESULTS)[:1], *runs], out)
    typer.echo(f"page      {page}")


@app.command()
def add(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs (runs/.../seed0).")],
    to: Annotated[Path, typer.Option(help="Folder of published results.")] = Path(RESULTS),
) -> None:
    """Add runs to the published results, which are kept under version control."""
    from dabench.archive import find_runs
    from dabench.results import add

    folders = [folder for run in runs for folder in find_runs(run)]
    if not folders:
        raise UserError(f"no runs in {', '.join(map(str, runs))}; `dabench run` makes some.")
    files = add(folders, to)
    for file in files:
        typer.echo(f"result    {file}")
    typer.echo(f"next      dabench verify {files[0]}")


@app.command()
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


class _Quiet(SimpleHTTPRequestHandler):
    """Files of the site, nothing else: no listing of folders, no log."""

    def list_directory(self, path: object) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Of a site, on loopback; UserError if there is none or the port is taken."""
    if not (folder / "index.html").exists():
        raise UserError(f"{folder}: no site here; `dabench leaderboard build` makes it.")
    handler: Callable[..., _Quiet] = partial(_Quiet, directory=str(folder))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as e:
        raise UserError(f"port {port}: {e.strerror}; choose another with --port.") from None
