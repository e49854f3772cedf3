"""A `map` over processes, as many as there are cores."""

import gc
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from joblib import Parallel, cpu_count, delayed, parallel_config

from dabench.core.errors import show_in_one_line

Map = Callable[..., Iterable[Any]]
"""A function and a list for each of its arguments, as `map`."""

Each = Callable[[int], Map]
"""Given how long a list must be to be worth the start of other processes, what maps it."""


def here(many: int) -> Map:
    """In this process."""
    return map


RARELY = (50_000, 20, 50)
"""How often garbage is sought in processes that live for seconds and draw thousands of artists."""
IDLE_SECONDS = 10  # after which a process without work ends, and so those of a killed parent


def _begin() -> None:
    """Set up a process that works for another one."""
    gc.set_threshold(*RARELY)
    warnings.showwarning = show_in_one_line


@contextmanager
def processes() -> Iterator[Each]:
    """Processes of one thread each, started by the first list that is long enough."""
    cores = cpu_count()
    settings = {"inner_max_num_threads": 1, "idle_worker_timeout": IDLE_SECONDS}
    with parallel_config("loky", initializer=_begin, **settings):

        def each(many: int) -> Map:
            def spread(function: Callable[..., Any], *lists: Sequence[Any]) -> Iterable[Any]:
                if cores < 2 or len(lists[0]) < many:
                    return map(function, *lists)
                pool = Parallel(n_jobs=cores, return_as="generator", max_nbytes=None)
                return pool(delayed(function)(*row) for row in zip(*lists, strict=True))

            return spread

        yield each
