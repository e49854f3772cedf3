"""Attention of every mesh node to the nodes within some number of hops.

One definition, three evaluations: over a table of neighbours where they are few, dense where the
mesh is small, and in clusters of neighbouring nodes that share their keys where it is neither.
GenCast specification, section 5.6.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Array, Bool, Float, Int

MASKED = -1e30
FEW_NEIGHBOURS = 40
SMALL_MESH = 4000
CLUSTER = 128

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
    nodes = np.arange(len(points))[None]
    groups = nodes if len(points) <= SMALL_MESH else clusters(points, CLUSTER)
    return _in_clusters(groups, *shared_keys(reach, groups), heads)


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


def shared_keys(
    reach: scipy.sparse.csr_array, groups: Int[np.ndarray, "cluster node"]
) -> tuple[Int[np.ndarray, "cluster key"], Bool[np.ndarray, "cluster node key"]]:
    """All nodes that a cluster's members attend to (padded), and who may attend to which."""
    used = [np.unique(reach[nodes].indices) for nodes in groups]
    width = max(map(len, used))
    keys = np.stack([np.resize(each, width) for each in used])
    allowed = np.stack(
        [reach[nodes][:, key].toarray() for nodes, key in zip(groups, keys, strict=True)]
    )
    real = np.arange(width)[None] < np.array([len(each) for each in used])[:, None]
    return keys, allowed & real[:, None]


def _softmax(logits: Array, axis: int) -> Array:
    """In float32 at least."""
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


def _in_clusters(
    groups: Int[np.ndarray, "cluster node"],
    keys: Int[np.ndarray, "cluster key"],
    allowed: Bool[np.ndarray, "cluster node key"],
    heads: int,
) -> Attention:
    nodes = int(groups.max()) + 1
    place = np.zeros(nodes, int)
    place[groups.ravel()] = np.arange(groups.size)

    @jax.checkpoint
    def attend_one(q: Array, k: Array, v: Array, permitted: Array) -> Array:
        logits = jnp.einsum("qmhd,kmhd->mhqk", q, k) / q.shape[-1] ** 0.5
        logits = jnp.where(permitted[None, None], logits, MASKED)
        return jnp.einsum("mhqk,kmhd->qmhd", _softmax(logits, -1), v)

    def attend(q: Heads, k: Heads, v: Heads) -> Heads:
        q, k, v = (x.reshape(*x.shape[:2], heads, -1) for x in (q, k, v))
        if len(groups) == 1:  # head by head, else the probabilities of all layers may pile up
            permitted = jnp.asarray(allowed[0])
            by_head = [jnp.moveaxis(x, 2, 0)[..., None, :] for x in (q, k, v)]
            out = jax.lax.map(lambda head: attend_one(*head, permitted), by_head)
            out = jnp.moveaxis(out[..., 0, :], 0, 2)
        else:
            tables = jax.tree.map(jnp.asarray, (groups, keys, allowed))
            out = jax.lax.map(lambda t: attend_one(q[t[0]], k[t[1]], v[t[1]], t[2]), tables)
            out = out.reshape(-1, *out.shape[2:])[place]
        return out.reshape(*out.shape[:2], -1)

    return attend
