"""Members in batches: functions of an ensemble that hold a few members in memory at once.

A tree of arrays is (member, ...); split, it is (batch, member, ...).
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree


def in_batches(f: Callable[[Any], Any], members: PyTree, size: int) -> PyTree:
    """f of members split into equal batches of at most `size`, joined again.

    The last batch repeats the last member where the members do not fill it.

    Arguments:
        f: (batch, member, ...) -> (batch, member, ...).
    """
    n = len(jax.tree.leaves(members)[0])
    count = -(-n // size)
    each = -(-n // count)
    index = np.minimum(np.arange(count * each), n - 1).reshape(count, each)
    results = f(jax.tree.map(lambda a: a[index], members))
    return jax.tree.map(lambda a: a.reshape(count * each, *a.shape[2:])[:n], results)


def batch_by_batch(f: Callable[[Any], Any], members: PyTree, size: int) -> PyTree:
    """f of members, computed for one batch of at most `size` after the other.

    Arguments:
        f: (member, ...) -> (member, ...).
    """
    return in_batches(lambda batches: one_by_one(f, batches), members, size)


def one_by_one(f: Callable[[Any], Any], batches: PyTree) -> PyTree:
    """f of each batch in (batch, member, ...), one after the other."""
    if len(jax.tree.leaves(batches)[0]) == 1:
        result = f(jax.tree.map(lambda a: a[0], batches))
        return jax.tree.map(lambda a: a[None], result)
    return jax.lax.map(f, batches)
