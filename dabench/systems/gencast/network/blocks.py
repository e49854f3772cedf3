"""Work on the nodes of a large graph, block by block.

A block's arrays stay in the cache, and nothing inside of it is stored for a derivative: it is
computed again, which costs less than to write and read it. This is the one place that says what
is large; whatever is not is done at once and keeps what its derivative needs.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

BLOCK = {"cpu": 2**20}  # numbers in an array of a block: 4 MiB, a core's share of the caches
ELSEWHERE = 2**26  # the same on an accelerator, which a kernel has to fill
WHOLE = 4  # blocks' worth of numbers up to which an array is not split

Rows = Callable[[Any], Array]
"""The rows of a block out of an array over all nodes."""


def block_numbers() -> int:
    """Numbers in one array of a block on the default device."""
    return BLOCK.get(jax.default_backend(), ELSEWHERE)


def by_blocks(f: Callable[..., Any], *arrays: Array, width: int) -> Any:
    """f(rows, *arrays) for functions f of each node by itself, block by block where it is large.

    Arguments:
        f: `rows` takes the block out of further arrays, which have their nodes first: those that
            have no derivative, since a derivative by them would be as large as they are for every
            block. Results have their nodes first.
        arrays: (node, ...); f gets their blocks.
        width: Numbers a node has in the largest array that f makes.
    """
    nodes = len(arrays[0])
    size = _size(nodes, width)
    if size == nodes:
        return f(jnp.asarray, *arrays)

    @jax.checkpoint
    def one(block: tuple[Array, ...]) -> Any:
        start, *mine = block
        return f(lambda a: jax.lax.dynamic_slice_in_dim(jnp.asarray(a), start, size), *mine)

    split = [a.reshape(-1, size, *a.shape[1:]) for a in arrays]
    out = jax.lax.map(one, (jnp.arange(0, nodes, size), *split))
    return jax.tree.map(lambda a: a.reshape(nodes, *a.shape[2:]), out)


def _size(nodes: int, width: int) -> int:
    """Nodes of a block: a divisor of all nodes, as blocks are of one size; all, if none is near."""
    most = max(block_numbers() // width, 1)
    if nodes <= WHOLE * most:
        return nodes
    sizes = np.arange(-(-most // 8), most + 1)
    return int(max(sizes[nodes % sizes == 0], default=nodes))
