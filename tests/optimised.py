"""Programs that run for seconds are optimised, also where tests compile cheaply."""

import os
from collections.abc import Callable

import jax

CHEAP = "--xla_backend_optimization_level=0"
OPTIONS = {"xla_backend_optimization_level": 1}


def jit(f: Callable) -> Callable:
    """`jax.jit` for thousands of draws or cycles: they run three times as fast.

    Compiling takes half as long again, so that a program pays for it that runs for a second or
    more. Where tests compile as users do, so does this.
    """
    return jax.jit(
        f, compiler_options=OPTIONS if CHEAP in os.environ.get("XLA_FLAGS", "") else None
    )
