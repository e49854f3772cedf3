"""What dabench changes in its process: JAX's precision, its programs, memory, a signal."""

import ctypes
import os
import platform
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that either way what is complete is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def keep_freed_memory() -> None:
    """Let glibc keep what XLA frees, where there is glibc; elsewhere nothing happens.

    XLA's CPU backend takes and frees its temporaries in every call, and glibc returns large ones to
    the system, so that each call faults all pages in again: half the time of a small network.
    Arrays above 1 GiB are still returned.
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
    """More threads for XLA where a CPU is several devices; has to come before its first use.

    A batch of LAPACK's problems waits, on a thread of the pool that all devices share, for others
    of that pool. Devices as many as its threads would wait for ever.
    """
    if devices > 1:
        os.environ.setdefault("NPROC", str((os.cpu_count() or 1) + devices))


def set_up_jax() -> str | None:
    """Double precision where it is asked for, and compiled programs kept between processes.

    Products of float32 are float32 throughout, not TF32 as is a GPU's own choice; a network that
    asks for less has it.

    Returns the folder of the compiled programs, None if there is none that can be written.
    """
    import jax

    keep_freed_memory()
    spare_threads(jax.config.values["jax_num_cpu_devices"])

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    if chosen := jax.config.values["jax_compilation_cache_dir"]:
        return chosen
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = home / "dabench" / "jax"
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return str(cache)
