"""The progress bar of a run; nothing is shown where there is no terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dabench.runs.cycle import Report


@contextmanager
def watch(title: str, cycles: int, console: Console) -> Iterator[Report]:
    """A `Report` that draws a bar with cycle, time left, N_eff and the RMSE so far.

    Arguments:
        title: Text before the bar.
        cycles: Number of cycles of the run.
        console: Console that the bar is drawn on.
    """
    if not console.is_terminal:
        yield lambda *_: None
        return
    columns = (
        TextColumn("{task.description:12}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[scores]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=cycles, scores="compiling")
        squares: list[float] = []

        def report(cycle: int, ess: float | None, rmse: float) -> None:
            squares.append(rmse**2)
            so_far = (sum(squares) / len(squares)) ** 0.5
            n_eff = "" if ess is None else f"N_eff {ess:.1f}  "
            bar.update(task, completed=cycle, scores=f"{n_eff}RMSE {so_far:.3g}")

        yield report
