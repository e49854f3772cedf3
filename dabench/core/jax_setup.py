"""Set-up of JAX and of the process that runs it: precision, kept programs, memory, SIGTERM."""

import ctypes
import os
import platform
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Within the block, SIGTERM raises KeyboardInterrupt as Ctrl-C does: whole cycles are kept.

    Nothing changes on threads other than the main one, where Python allows no signal handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def keep_freed_memory() -> None:
    """Keep memory that XLA frees within the process, where the C library is glibc.

    XLA's CPU backend allocates and frees its temporaries in every call. By default glibc returns
    large ones to the system, and the next call has to fault all pages in again: half the time of a
    small network. Arrays above 1 GiB are still returned.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    trim_threshold, top_pad, mmap_threshold, arena_max = -1, -2, -3, -8  # malloc.h
    for option, value in (
        (arena_max, 1),
        (mmap_threshold, 2**30),
        (trim_threshold, 2**31 - 1),
        (top_pad, 2**28),
    ):
        mallopt(option, value)


def spare_threads(devices: int) -> None:
    """Give XLA's thread pool spare threads where one CPU serves as several devices.

    Has to be called before XLA's first use. All devices share the pool, and a batch of LAPACK
    problems occupies one of its threads while it waits for others. With as many devices as threads,
    every thread could wait, for ever.
    """
    if devices > 1:
        os.environ.setdefault("NPROC", str((os.cpu_count() or 1) + devices))


def set_up_jax() -> str | None:
    """Configure JAX: float64 available, exact float32 products, compiled programs kept on disk.

    Matrix products of float32 use float32 throughout, not TF32 as a GPU would choose by itself; a
    network that asks for lower precision still gets it.

    Returns the folder of the compiled programs, None if it cannot be written.
    """
    import jax

    keep_freed_memory()
    spare_threads(jax.config.values["jax_num_cpu_devices"])

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    if chosen := jax.config.values["jax_compilation_cache_dir"]:
        return chosen
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache = home / "dabench" / "jax"
        cache.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # of a user without a home folder
        return None
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return str(cache)
