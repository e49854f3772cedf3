"""The basis of an analysis times its weights, a block of units at a time, added to the members."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from dabench.core import devices
from dabench.filters.local.gramian import product
from dabench.filters.local.moments import anomalies
from dabench.filters.local.nodes import around
from dabench.filters.local.plan import Block, Plan

FINISH_POINTS = 512
"""So many at a time, for the memory of `Finish`."""

Weigh = Callable[[Block, Float[Array, "unit level row m"], PyTree], tuple[Array, PyTree]]
"""Rows times the weights T of a block, (unit, level, row, n), and what to keep for each unit.

The last argument is what all blocks are given.
"""

Touched = Callable[[Block, PyTree], Bool[Array, ""]]
"""Whether a block changes at all; the arguments are those of `Weigh`, but for the rows."""

Finish = Callable[[Float[Array, "n *tile"], Float[Array, "n *tile"]], Float[Array, "n *tile"]]
"""What a tile of states becomes, from what it was and its increment."""


def add(x: Float[Array, "n *tile"], increment: Float[Array, "n *tile"]) -> Float[Array, "n *tile"]:
    """The plainest `Finish`."""
    return x + increment


def combine(
    plan: Plan,
    x: Float[Array, "n state"],
    index: Int[np.ndarray, "block unit"],
    start: Int[np.ndarray, "block"],
    weigh: Weigh,
    own: PyTree = (),
    given: PyTree = (),
    finish: Finish = add,
    basis: Float[Array, "m state"] | None = None,
    touched: Touched | None = None,
) -> tuple[Float[Array, "n state"], PyTree]:
    """x with Σ_m basis_m T[m, n] at every point, T from `weigh`; and what it keeps for each unit.

    Arguments:
        index, start: From `blocks` and `windows`.
        own, given: For `weigh`: arrays with a row for each unit, and what it is given.
        finish: From x and its increment to what is returned; sees all members at some points.
        basis: None: the anomalies of x.
        touched: Other blocks are passed over, and nothing is kept. Where units are not nodes.
    """
    units = len(plan.position)
    way = partial(_tile_by_tile, touched) if plan.nodes is None else _between_nodes
    work, where = way(plan, index, weigh, finish)
    unit = np.minimum(index, units - 1)
    block = Block(
        jnp.asarray(plan.position[unit], plan.dtype),
        jnp.asarray(start),
        jax.tree.map(lambda a: a[unit], own),
    )
    states = _tiles(plan, x), None if basis is None else _tiles(plan, basis)
    each = block, jax.tree.map(jnp.asarray, where)
    moved, result = devices.share_points(work, states, each, given)
    first = np.unique(index, return_index=True)[1][:units]
    result = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[first], result)
    points = plan.shape[-1] // moved.shape[-1]
    return moved[:, :, :, :points].reshape(x.shape), result


Work = Callable[[PyTree, PyTree, PyTree], tuple[Array, PyTree]]
"""For `devices.share_points`: states are x and the basis, blocks those of `combine` and where."""


def _tile_by_tile(
    touched: Touched | None,
    plan: Plan,
    index: Int[np.ndarray, "block unit"],
    weigh: Weigh,
    finish: Finish,
) -> tuple[Work, PyTree]:
    """Units are neighbouring points; what is written takes the place of what was read."""
    size = index.shape[1]
    first, fresh = _within_part(index, len(plan.position))
    whole = bool(fresh.all())

    def work(states: PyTree, each: PyTree, given: PyTree) -> tuple[Array, PyTree]:
        basis = states[1]

        def move(x: Array, args: tuple[Block, PyTree]) -> tuple[Array, PyTree]:
            block, (first, fresh) = args
            tile = jax.lax.dynamic_slice_in_dim(x, first, size, 3)
            if basis is None:
                rows = plan.rows(anomalies(tile))
            else:
                rows = plan.rows(jax.lax.dynamic_slice_in_dim(basis, first, size, 3))
            moved, result = weigh(block, rows, given)
            moved = finish(tile, plan.tile(moved.astype(x.dtype)))
            if not whole:
                moved = jnp.where(fresh[None, None, None, :, None], moved, tile)
            return jax.lax.dynamic_update_slice_in_dim(x, moved, first, 3), result

        if (changes := touched) is None:
            return jax.lax.scan(move, states[0], each)
        which = jax.lax.map(lambda block: changes(block, given), each[0])
        order = jnp.argsort(~which)

        def one(k: Array, x: Array) -> Array:
            return move(x, jax.tree.map(lambda a: a[order[k]], each))[0]

        return jax.lax.fori_loop(0, which.sum(), one, states[0]), ()

    return work, (first, fresh)


def _within_part(index: Int[np.ndarray, "block unit"], units: int) -> tuple[np.ndarray, np.ndarray]:
    """The first unit of each block, counted in its part; which units no block had before."""
    parts = devices.parts()
    part, number = np.divmod(np.arange(len(index)), len(index) // parts)
    own = index - part[:, None] * -(-units // parts)
    return own[:, 0], (own >= number[:, None] * index.shape[1]) & (index < units)


def _between_nodes(
    plan: Plan, index: Int[np.ndarray, "block unit"], weigh: Weigh, finish: Finish
) -> tuple[Work, PyTree]:
    """Units are nodes: the weights of each, times their shares, add to the points around it.

    Increments are held for a window of points alone: it goes on, a band of nodes at a time, and
    what it leaves behind is finished and takes the place of what was read.
    """
    assert plan.nodes is not None
    found, window = around(plan.nodes, index, plan.shape[-1], devices.parts())
    found = *found[:3], found[3].astype(plan.dtype)

    def work(states: PyTree, each: PyTree, given: PyTree) -> tuple[Array, PyTree]:
        x, basis = jax.tree.map(lambda a: a[..., 0], states)
        one = jnp.eye(len(x if basis is None else basis), dtype=x.dtype)
        blocks, (first, step, near, share) = each

        def move(read: Array, increment: Array, args: PyTree) -> tuple[Array, PyTree]:
            block, near, share = args
            rows = plan.rows(read)
            ones = jnp.broadcast_to(one, (*rows.shape[:2], *one.shape))
            T, result = weigh(block, ones, given)
            moved = plan.tile(product(rows, T.astype(x.dtype))) * share[None, None, None]
            return increment.at[..., near].add(moved), result

        def band(carry: PyTree, args: PyTree) -> tuple[PyTree, PyTree]:
            x, increment = carry
            (first, step), blocks = args

            def of_block(increment: Array, args: PyTree) -> tuple[Array, PyTree]:
                at = first + args[1]
                read = anomalies(x[..., at]) if basis is None else basis[..., at]
                return move(read, increment, args)

            increment, result = jax.lax.scan(of_block, increment, blocks)
            x = _finish_by_tile(finish, x, increment, first, step)
            ahead = jnp.arange(window) + step
            return (x, jnp.take(increment, ahead, 3, mode="fill", fill_value=0)), result

        increment = jnp.zeros((*x.shape[:3], window), x.dtype)
        bands = (first, step), _banded((blocks, near, share), len(first))
        (x, _), result = jax.lax.scan(band, (x, increment), bands)
        return x[..., None], jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), result)

    return work, found


def _banded(blocks: PyTree, bands: int) -> PyTree:
    return jax.tree.map(lambda a: a.reshape(bands, -1, *a.shape[1:]), blocks)


def _finish_by_tile(
    finish: Finish,
    x: Float[Array, "n frame channel point"],
    increment: Float[Array, "n frame channel window"],
    first: Int[Array, ""],
    step: Int[Array, ""],
) -> Float[Array, "n frame channel point"]:
    """The first so many points of a window."""
    window = increment.shape[3]
    size = min(FINISH_POINTS, window)

    def one(k: Array, x: Array) -> Array:
        begin = jnp.minimum(k * size, window - size)
        tile = jax.lax.dynamic_slice_in_dim(x, first + begin, size, 3)
        moved = finish(tile, jax.lax.dynamic_slice_in_dim(increment, begin, size, 3))
        point = begin + jnp.arange(size)
        fresh = (point >= k * size) & (point < step)
        moved = jnp.where(fresh[None, None, None], moved, tile)
        return jax.lax.dynamic_update_slice_in_dim(x, moved, first + begin, 3)

    return jax.lax.fori_loop(0, -(-step // size), one, x)


def _tiles(plan: Plan, x: Float[Array, "n state"]) -> Float[Array, "n frame channel unit point"]:
    """With as many units for each part, or points if they are shared; zero past the plan's end."""
    frames, channels, points = plan.shape
    each = plan.position.shape[1] if plan.nodes is None else 1
    x = x.reshape(len(x), frames, channels, points // each, each)
    more = -x.shape[3] % devices.parts()
    return jnp.pad(x, ((0, 0),) * 3 + ((0, more), (0, 0))) if more else x
