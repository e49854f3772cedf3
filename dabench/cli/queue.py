"""A queue of runs: done one after the other here, or on Dask workers, and followed as they end."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console

Row = dict[str, Any]
"""What is reported of a run: what was asked for, its status, and a reason if it has no result."""


class Task(NamedTuple):
    """A run that is to be made.

    Arguments:
        key: Key on a scheduler, where tasks with one key are done once.
        about: Columns of its row that are known beforehand.
        arguments: Arguments of the function that does the work.
    """

    key: str
    about: Row
    arguments: tuple[Any, ...]


def one_by_one(tasks: Iterable[Task], work: Callable[..., Row]) -> Iterator[Row]:
    """The row of every task, done here; one that fails does not keep the others from being done."""
    for task in tasks:
        try:
            yield work(*task.arguments)
        except Exception as e:
            yield failed(task, e)


def on_client(
    client: Any, tasks: Sequence[Task], work: Callable[..., Row], retries: int
) -> Iterator[Row]:
    """The row of every task as it ends on the workers of a Dask client.

    Arguments:
        retries: How often a task is tried again.
    """
    from distributed import as_completed

    futures = {
        client.submit(work, *task.arguments, key=task.key, retries=retries): task for task in tasks
    }
    for future in as_completed(futures):
        if future.status == "finished":
            yield future.result()
        else:
            yield failed(futures[future], future.exception())


def failed(task: Task, error: BaseException) -> Row:
    """The row of a task whose every try failed."""
    reason = f"{type(error).__name__}: {error}"
    return task.about | {"status": "failed", "reason": reason, "folder": None, "score": None}


def followed(
    rows: Iterable[Row], total: int, name: str, console: "Console", columns: Sequence[str]
) -> list[Row]:
    """All rows, a line each; below them a bar, or without a terminal their number and the time.

    Arguments:
        name: Name of the whole.
        columns: Columns of a row that its line has.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from dabench.runs.progress import stamped

    parts = TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    every = []
    with Progress(*parts, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total)
        for row in rows:
            every.append(row)
            bar.advance(task)
            text = " ".join(str(row[column]) for column in columns)
            if not console.is_terminal:
                text = stamped(f"{len(every)} of {total} {text}")
            console.print(text, markup=False, soft_wrap=True)
    return every
