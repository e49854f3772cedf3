"""Attention of every mesh node to the nodes within some number of hops.

One definition, two evaluations: over a table of neighbours where they are few, and in clusters of
neighbouring nodes that share their keys where they are many. A cluster's logits stay in the cache,
so that clusters are the faster even where every node attends to all.
GenCast specification, section 5.6.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Array, Bool, Float, Int

from dabench.systems.gencast.network.blocks import block_numbers

MASKED = -1e30  # the logit of a node that may not be attended to
FEW_NEIGHBOURS = 40  # up to which a table of neighbours is faster than clusters
CLUSTER = 64  # nodes of a cluster
ARRAYS = 4  # arrays as large as its logits that a cluster works with

Heads = Float[Array, "node member feature"]
Attention = Callable[[Heads, Heads, Heads], Heads]
"""(queries, keys, values) -> sums of values; features are head-major."""


def attention(
    reach: scipy.sparse.csr_array, points: Float[np.ndarray, "node 3"], heads: int
) -> Attention:
    """softmax(q kᵀ / sqrt(head size)) v over the True entries of each row of `reach`.

    Arguments:
        reach: (node, node) boolean: may the row's node attend to the column's?
        points: Where the nodes are, to cluster neighbours.
    """
    most = int(np.diff(reach.indptr).max())
    if most <= FEW_NEIGHBOURS:
        return _over_neighbours(*neighbours(reach), heads)
    return _in_clusters(shared_keys(reach, clusters(points, CLUSTER)), heads)


def neighbours(
    reach: scipy.sparse.csr_array,
) -> tuple[Int[np.ndarray, "node slot"], Bool[np.ndarray, "node slot"]]:
    """The columns of each row's entries, padded with zeros, and which of them are real."""
    counts = np.diff(reach.indptr)
    real = np.arange(counts.max())[None] < counts[:, None]
    table = np.zeros(real.shape, int)
    table[real] = reach.indices
    return table, real


def clusters(points: Float[np.ndarray, "node 3"], size: int) -> Int[np.ndarray, "cluster node"]:
    """Nodes in compact clusters of one size, by halving along the longest side.

    Where the nodes do not fill the last places, clusters are filled up with nodes of their own.
    """
    count = -(-len(points) // size)

    def split(nodes: np.ndarray, parts: int) -> list[np.ndarray]:
        if parts == 1:
            return [np.resize(nodes, size)]
        axis = np.ptp(points[nodes], axis=0).argmax()
        nodes = nodes[np.argsort(points[nodes, axis], kind="stable")]
        left = parts // 2
        at = len(nodes) * left // parts
        return split(nodes[:at], left) + split(nodes[at:], parts - left)

    return np.stack(split(np.arange(len(points)), count))


class Shared(NamedTuple):
    """Clusters of nodes, all nodes that their members attend to, and who may attend to which.

    Keys are filled up with some that nobody may attend to.
    """

    groups: Int[np.ndarray, "cluster node"]
    keys: Int[np.ndarray, "cluster key"]
    allowed: Bool[np.ndarray, "cluster node key"]


def shared_keys(reach: scipy.sparse.csr_array, groups: Int[np.ndarray, "cluster node"]) -> Shared:
    """The clusters `groups` and their keys."""
    used = [np.unique(reach[nodes].indices) for nodes in groups]
    width = max(map(len, used))
    keys = np.stack([np.resize(each, width) for each in used])
    allowed = np.stack(
        [reach[nodes][:, key].toarray() for nodes, key in zip(groups, keys, strict=True)]
    )
    real = np.arange(width)[None] < np.array([len(each) for each in used])[:, None]
    return Shared(groups, keys, allowed & real[:, None])


def _softmax(logits: Array, axis: int) -> Array:
    """The softmax, computed in float32 at least."""
    wide = jnp.promote_types(logits.dtype, jnp.float32)
    return jax.nn.softmax(logits.astype(wide), axis=axis).astype(logits.dtype)


def _over_neighbours(
    table: Int[np.ndarray, "node slot"], real: Bool[np.ndarray, "node slot"], heads: int
) -> Attention:
    masked = jnp.asarray(np.where(real, 0, MASKED)[:, :, None, None], jnp.float32)

    def attend(q: Heads, k: Heads, v: Heads) -> Heads:
        # Sums over each head's features are products with a 0/1 matrix (feature, head).
        size = q.shape[-1] // heads
        of_head = jnp.repeat(jnp.eye(heads, dtype=q.dtype), size, axis=0)
        logits = (q[:, None] * k[table]) @ (of_head / size**0.5) + masked.astype(q.dtype)
        weights = _softmax(logits, 1)
        return jnp.sum((weights @ of_head.T) * v[table], axis=1)

    return attend


def _in_clusters(shared: Shared, heads: int) -> Attention:
    place = np.zeros(int(shared.groups.max()) + 1, int)
    place[shared.groups.ravel()] = np.arange(shared.groups.size)

    def attend(q: Heads, k: Heads, v: Heads) -> Heads:
        members, size = q.shape[1], q.shape[2] // heads
        split = (x.reshape(-1, members, heads, size) for x in (q / size**0.5, k, v))
        q, k, v = (jnp.moveaxis(x, 0, 2) for x in split)

        @jax.checkpoint
        def one(cluster: Any) -> Float[Array, "member head node feature"]:
            nodes, keys, allowed = cluster
            logits = jnp.einsum("mhqd,mhkd->mhqk", q[:, :, nodes], k[:, :, keys])
            weights, total = _exponentials(logits, allowed[None, None])
            return jnp.einsum("mhqk,mhkd->mhqd", weights, v[:, :, keys]) / total

        at_once = block_numbers() // (ARRAYS * members * heads * shared.allowed[0].size)
        tables = jax.tree.map(jnp.asarray, shared)
        out = jax.lax.map(one, tables, batch_size=at_once if at_once > 1 else None)
        return jnp.moveaxis(out, 3, 1).reshape(-1, members, heads * size)[place]

    return attend


def _exponentials(logits: Array, allowed: Array) -> tuple[Array, Array]:
    """The weights of a softmax before they are divided by their sum, and that sum.

    In float32 at least; the result is divided instead, which is narrower.
    """
    wide = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    wide = jnp.where(allowed, wide, MASKED)
    weights = jnp.exp(wide - jax.lax.stop_gradient(wide.max(-1, keepdims=True)))
    total = weights.sum(-1, keepdims=True)
    return weights.astype(logits.dtype), total.astype(logits.dtype)
