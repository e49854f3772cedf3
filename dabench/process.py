"""What dabench changes in its process: JAX's precision, its cache of programs, a signal."""

import os
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
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def set_up_jax() -> str | None:
    """Double precision where it is asked for, and compiled programs kept between processes.

    Returns the folder of the compiled programs, None if there is none that can be written.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
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
