"""Waits that say what they are for, once they have lasted a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

PATIENCE = 2.0  # seconds


@contextmanager
def announced(say: Callable[[str], object], text: str) -> Iterator[Callable[[], None]]:
    """Say a text if the block lasts longer than `PATIENCE`, or than the call of what it yields."""
    timer = Timer(PATIENCE, say, [text])
    timer.daemon = True
    timer.start()
    try:
        yield timer.cancel
    finally:
        timer.cancel()
