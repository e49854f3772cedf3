"""Named streams of random numbers, independent of each other."""

import zlib

import jax
import numpy as np
from jaxtyping import Array, Key


def stream(seed: int, name: str) -> Key[Array, ""]:
    """The random stream `truth`, `observation`, `initial` or `filter` of a seed."""
    return jax.random.fold_in(jax.random.key(seed), np.uint32(zlib.crc32(name.encode())))
