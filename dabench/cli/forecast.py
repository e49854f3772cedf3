"""Judge analyses by the forecasts from them: `forecast`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dabench.cli.notes import is_verbose, note, waiting
from dabench.cli.options import Runs

if TYPE_CHECKING:
    from dabench.scores.forecasts import Forecast


def forecast(
    runs: Runs,
    lead: Annotated[str, typer.Option(help="Longest lead: 5d, 36h, or a number of cycles.")] = "5d",
    every: Annotated[int, typer.Option(min=1, help="Cycles from one start to the next.")] = 4,
    out: Annotated[
        Path | None, typer.Option(help="Folder of figures; default beside runs.")
    ] = None,
) -> None:
    """Forecast from the analyses of runs, without observations; score by lead time.

    What has been made is not made again. Runs of one scenario go into one table and figures.
    """
    from rich.console import Console

    from dabench.leaderboard.leads import by_method, table
    from dabench.runs.forecasts import forecast as make
    from dabench.scores.forecasts import FILE, score_forecast

    def report(done: int, starts: int) -> None:
        if is_verbose():
            typer.echo(f"start {done} of {starts}", err=True)

    boards: dict[Path, list[tuple[Path, Forecast]]] = {}
    for run in map(Path.absolute, runs):
        with waiting(f"forecasting from {os.path.relpath(run)}"):
            folder = make(run, lead, every, report)
        with waiting(f"scoring {os.path.relpath(folder)}"):
            scores = score_forecast(folder)
        note(f"scores    {os.path.relpath(folder / FILE)}")
        boards.setdefault(run.parent.parent, []).append((run, scores))
    for board in boards.values():
        forecasts = by_method([scores for _, scores in board])
        Console().print(table(forecasts))
        _draw([run for run, _ in board], forecasts, out)


def _draw(runs: Sequence[Path], forecasts: "dict[str, list[Forecast]]", out: Path | None) -> None:
    """Figures of the forecasts of one scenario, in the folder of the runs' figures."""
    from dabench.leaderboard import figures
    from dabench.leaderboard.figures.leads import by_lead
    from dabench.leaderboard.figures.style import LIGHT, look, save
    from dabench.leaderboard.leads import METRICS

    folder = out or figures.home(runs)
    with look(LIGHT):
        for metric in METRICS:
            figure = by_lead(forecasts, metric, LIGHT)
            for kind in ("svg", "png"):
                save(folder / f"lead-{metric}.{kind}", figure)
    note(f"figures   {os.path.relpath(folder)}/lead-*")
