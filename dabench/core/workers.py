"""A `map` over processes, as many as there are cores."""

import gc
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any

Map = Callable[..., Iterable[Any]]
"""A function and a list for each of its arguments, as `map`."""

Each = Callable[[int], Map]
"""Given how long a list must be to be worth the start of other processes, what maps it."""


def here(many: int) -> Map:
    """In this process."""
    return map


RARELY = (50_000, 20, 50)
"""How often garbage is sought in processes that live for seconds and draw thousands of artists."""

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Set for the processes: threads of their own would wait for each other."""


@contextmanager
def processes() -> Iterator[Each]:
    """Spawned, so JAX may be in use, and not before the first long list."""
    count, spawn = _cores(), get_context("spawn")
    with _one_thread(), ProcessPoolExecutor(count, spawn, _begin) as pool:

        def each(many: int) -> Map:
            def spread(function: Callable[..., Any], *lists: Sequence[Any]) -> Iterable[Any]:
                alone = count < 2 or len(lists[0]) < many
                return map(function, *lists) if alone else pool.map(function, *lists)

            return spread

        yield each


def _begin() -> None:
    """What each process does first."""
    gc.set_threshold(*RARELY)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """One that waits for work would outlive a parent that is killed."""
    if parent := parent_process():
        parent.join()
        os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    known = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ |= dict.fromkeys(ONE_THREAD, "1")
    try:
        yield
    finally:
        for name, value in known.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _cores() -> int:
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
