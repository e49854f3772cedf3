"""What a run reports of its cycles: a bar on a terminal, lines elsewhere and in the log.

The log is Python's, by the name `dabench`; at the level DEBUG every cycle has its line.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dabench.core import waits

if TYPE_CHECKING:
    from dabench.runs.cycle import Report

LOG = logging.getLogger("dabench")
BLOCK_SECONDS = 10.0  # time that the cycles of one line take, at least


def say(console: Console, text: str) -> None:
    """Print a line, and write it to the log."""
    LOG.info(text)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def stamped(text: str) -> str:
    """A line for a log, which begins with its time."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}"


@contextmanager
def watch(title: str, cycles: int, console: Console) -> "Iterator[Report]":
    """A `Report` that draws a bar with cycle, time left, N_eff and the RMSE so far.

    Where there is no terminal, it prints a line with these of every block of cycles.

    Arguments:
        title: Text before the bar.
        cycles: Number of cycles of the run.
        console: Console that the bar is drawn on.
    """
    if console.is_terminal:
        with _bar(title, cycles, console) as draw:
            yield _Blocks(title, cycles, LOG.info, draw).report
        return

    def line(text: str) -> None:
        LOG.info(text)
        console.print(stamped(text), markup=False, highlight=False, soft_wrap=True)

    with waits.announced(line, f"{title:12} compiling") as begun:
        yield _Blocks(title, cycles, line, lambda *_: begun()).report


@contextmanager
def _bar(title: str, cycles: int, console: Console) -> "Iterator[Report]":
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
            n_eff = "" if ess is None else f"N_eff {ess:.1f}  "
            bar.update(task, completed=cycle, scores=f"{n_eff}RMSE {_root_mean(squares):.3g}")

        yield report


class _Blocks:
    """Cycles gathered into lines, so that a log of a long run stays short."""

    def __init__(
        self, title: str, cycles: int, line: Callable[[str], object], then: "Report"
    ) -> None:
        self.title, self.cycles, self.line, self.then = title, cycles, line, then
        self.clock = time.monotonic()
        self.first: tuple[int, float] | None = None  # the first cycle and when it had ended
        self.block: list[tuple[int, float | None, float]] = []

    def report(self, cycle: int, ess: float | None, rmse: float) -> None:
        """Take up a cycle; the line of its block is due once the block has lasted long enough."""
        self.then(cycle, ess, rmse)
        now = time.monotonic()
        self.first = self.first or (cycle, now)
        self.block.append((cycle, ess, rmse))
        every_cycle = LOG.isEnabledFor(logging.DEBUG)
        if every_cycle or now - self.clock > BLOCK_SECONDS:
            self.line(f"{self.title:12} {self._text(now)}")
            self.clock, self.block = now, []

    def _text(self, now: float) -> str:
        cycles, ess, rmse = zip(*self.block, strict=True)
        begin, end = cycles[0], cycles[-1]
        which = f"cycle {end}" if begin == end else f"cycles {begin}-{end}"
        scores = f"RMSE {_root_mean([r**2 for r in rmse]):.3g}"
        sizes = [n for n in ess if n is not None]
        if sizes:
            scores += f", N_eff {sum(sizes) / len(sizes):.1f}"
        return f"{which} of {self.cycles}{self._left(end, now)}: {scores}"

    def _left(self, cycle: int, now: float) -> str:
        """The time that all cycles after one will take, as the cycles so far did."""
        first, when = self.first or (cycle, now)
        if cycle == first or cycle == self.cycles:
            return ""
        return f", {duration((now - when) / (cycle - first) * (self.cycles - cycle))} left"


def _root_mean(squares: Sequence[float]) -> float:
    return (sum(squares) / len(squares)) ** 0.5


def duration(seconds: float) -> str:
    """A time in the unit that reads best: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
