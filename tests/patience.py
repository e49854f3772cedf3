"""How long tests wait for processes and threads: enough on any busy machine, and never for ever."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 400.0
"""Seconds, fewer than a test has in all: what waited too long can still say for what."""


@contextmanager
def child(command: list, **options: Any) -> Iterator[subprocess.Popen]:
    """A process that is killed at the end of the block, or earlier when patience ends.

    Reading what it prints ends then, too, as it does when a process ends by itself.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    killer = threading.Timer(PATIENCE, process.kill)
    killer.daemon = True
    killer.start()
    try:
        yield process
    finally:
        killer.cancel()
        process.kill()
        process.communicate(timeout=PATIENCE)
