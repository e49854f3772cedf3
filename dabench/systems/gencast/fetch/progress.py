"""What a terminal shows of a transfer; elsewhere one line a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

Advance = Callable[[int, int | None], None]
"""(how much is done, how much there is; None: not known), in bytes or frames."""


@contextmanager
def transfer(title: str, console: Console) -> Iterator[Advance]:
    """A bar with bytes, rate and time left."""
    columns = (DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    with _bar(title, console, *columns) as advance:
        yield advance


@contextmanager
def counting(title: str, console: Console) -> Iterator[Advance]:
    """A bar with the number of frames and the time left."""
    with _bar(title, console, MofNCompleteColumn(), TimeRemainingColumn()) as advance:
        yield advance


@contextmanager
def _bar(title: str, console: Console, *columns) -> Iterator[Advance]:
    if not console.is_terminal:
        yield lambda *_: None
        return
    title_and_bar = TextColumn("{task.description}", markup=False), BarColumn(bar_width=30)
    with Progress(*title_and_bar, *columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def line(console: Console, text: str) -> None:
    """One line, as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def size(n: float | None) -> str:
    """A number of bytes as people read it; None: not known."""
    if n is None:
        return "size unknown"
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.3g} {unit}"
        n /= 1024
    return f"{n:.4g} GiB"
