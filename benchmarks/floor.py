"""What this machine can do at best: the rate of matrix products and the bandwidth of memory."""

import os
import platform
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.race import race

SIDE, SIDE_ON_GPU, BYTES = 2048, 8192, 2**28


def machine(rounds: int) -> dict[str, Any]:
    """GFLOP/s of a product, float32 throughout; GB/s of a sum of two arrays; what was running."""
    side = SIDE if jax.default_backend() == "cpu" else SIDE_ON_GPU
    square = jnp.ones((side, side), jnp.float32)
    long = jnp.ones(BYTES // 4, jnp.float32)
    multiply = jax.jit(lambda a: jnp.matmul(a, a, precision="highest"))
    add = jax.jit(lambda a: a + 1)
    product, copy = race(
        "floor", {"matmul": lambda: multiply(square), "add": lambda: add(long)}, rounds
    )
    return {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "jax": jax.__version__,
        "python": platform.python_version(),
        "float32 matmul GFLOP/s": round(2 * side**3 / product.seconds / 1e9, 1),
        "memory GB/s": round(2 * BYTES / copy.seconds / 1e9, 1),
    }
