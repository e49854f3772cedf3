"""Named streams of random numbers, independent of each other."""

import zlib

import jax
import numpy as np
from jaxtyping import Array, Key


def stream(seed: int, name: str) -> Key[Array, ""]:
    """The random key of a stream of a seed.

    Arguments:
        seed: Seed of the experiment.
        name: Name of the stream: `truth`, `observation`, `initial`, `filter` and so on.
    """
    return jax.random.fold_in(jax.random.key(seed), np.uint32(zlib.crc32(name.encode())))
