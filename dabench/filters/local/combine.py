"""Members from local weights, a block of units at a time.

    x_n(p) <- finish(x_n(p), Σ_m A_m(p) T_p[m, n])      p: point and level

Units are points (`OverPoints`) or nodes whose weights are interpolated (`OverNodes`); see the
diagram in `local`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from dabench.core import devices
from dabench.filters.local.gramian import product
from dabench.filters.local.moments import anomalies
from dabench.filters.local.nodes import Bands, make_bands
from dabench.filters.local.plan import Plan

FINISH_POINTS = 512  # points of a strip that are finished at a time, which bounds `Finish`'s memory

Units = TypeVar("Units")
Shared = TypeVar("Shared")


class Block(NamedTuple, Generic[Units]):
    """One block of units.

    Arguments:
        position: (unit, point, axis) places of their points.
        start: First location of the block's window.
        units: What the route needs of each unit, arrays (unit, ...).
    """

    position: Float[Array, "unit point axis"]
    start: Int[Array, ""]
    units: Units


Weigh = Callable[
    [Block[Units], Float[Array, "unit level row m"], Shared],
    tuple[Float[Array, "unit level row n"], PyTree],
]
"""(block, A, shared) -> (A T, results): rows A times the weights T of their unit and level.

Results are arrays (unit, ...), such as an inflation that was estimated.
"""

Touched = Callable[[Block[Units], Shared], Bool[Array, ""]]
"""Whether any observation is within reach of a block."""

Finish = Callable[[Float[Array, "n *tile"], Float[Array, "n *tile"]], Float[Array, "n *tile"]]
"""(x, increment) -> analysis, for all members at some points."""


def add(x: Float[Array, "n *tile"], increment: Float[Array, "n *tile"]) -> Float[Array, "n *tile"]:
    """The `Finish` without inflation."""
    return x + increment


class LocalAnalyses(NamedTuple, Generic[Units, Shared]):
    """The local analyses of a plan, as a route prepares them.

    Arguments:
        index: (block, unit) numbers of units, from `plan.blocks`.
        start: (block,) first location of each window, from `plan.windows`.
        units: What `weigh` needs of each unit, arrays (unit, ...).
        shared: What `weigh` needs for all blocks.
        weigh: The weights of a block, times rows.
        touched: Where given, blocks without observations in reach are left as they are, and there
            are no results. For units that are points.
    """

    index: Int[np.ndarray, "block unit"]
    start: Int[np.ndarray, "block"]
    units: Units
    shared: Shared
    weigh: Weigh[Units, Shared]
    touched: Touched[Units, Shared] | None = None


class Fields(NamedTuple):
    """States as (member, frame, channel, unit, point): x, and the basis A unless it follows from x.

    Where units are nodes, every point has a place of its own in the fourth axis.
    """

    x: Float[Array, "n frame channel unit point"]
    basis: Float[Array, "m frame channel unit point"] | None


def combine(
    plan: Plan,
    x: Float[Array, "n state"],
    analyses: LocalAnalyses,
    finish: Finish = add,
    basis: Float[Array, "m state"] | None = None,
) -> tuple[Float[Array, "n state"], PyTree]:
    """The analysis ensemble, and the results of `weigh` for all units.

    Arguments:
        finish: Makes the analysis from x and its increment.
        basis: A of the equation above; None: the anomalies of x.
    """
    index, units = analyses.index, len(plan.position)
    if plan.nodes is None:
        first, fresh = _tiles(index, units)
        places = Tile(jnp.asarray(first), jnp.asarray(fresh))
        overlap = not fresh.all()
        work = OverPoints(plan, analyses.weigh, finish, analyses.touched, overlap)
    else:
        bands, strip = make_bands(plan.nodes, index, plan.shape[-1], devices.parts())
        bands = bands._replace(share=bands.share.astype(plan.dtype))
        places = jax.tree.map(jnp.asarray, bands)
        work = OverNodes(plan, analyses.weigh, finish, strip)
    blocks = _blocks(plan, analyses), places
    fields = Fields(_fields(plan, x), None if basis is None else _fields(plan, basis))
    moved, results = devices.share_points(work, fields, blocks, analyses.shared)
    first = np.unique(index, return_index=True)[1][:units]
    results = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[first], results)
    points = plan.shape[-1] // moved.shape[-1]
    return moved[:, :, :, :points].reshape(x.shape), results


def _blocks(plan: Plan, analyses: LocalAnalyses[Units, Any]) -> Block[Units]:
    """All blocks of the analyses, stacked; what stands for no unit repeats the last one."""
    unit = np.minimum(analyses.index, len(plan.position) - 1)
    return Block(
        jnp.asarray(plan.position[unit], plan.dtype),
        jnp.asarray(analyses.start),
        jax.tree.map(lambda a: a[unit], analyses.units),
    )


def _fields(plan: Plan, x: Float[Array, "n state"]) -> Float[Array, "n frame channel unit point"]:
    """States by frame, channel and unit, padded with zeros to as many units for each part."""
    frames, channels, points = plan.shape
    size = plan.position.shape[1] if plan.nodes is None else 1
    x = x.reshape(len(x), frames, channels, points // size, size)
    more = -x.shape[3] % devices.parts()
    return jnp.pad(x, ((0, 0),) * 3 + ((0, more), (0, 0))) if more else x


class Tile(NamedTuple):
    """Where a block of points lies in its part.

    Arguments:
        first: Number of its first unit, counted from the first of the part.
        fresh: Whether no earlier block had the unit.
    """

    first: Int[Array, "*block"]
    fresh: Bool[Array, "*block unit"]


def _tiles(index: Int[np.ndarray, "block unit"], units: int) -> tuple[np.ndarray, np.ndarray]:
    """`first` and `fresh` of all blocks."""
    parts = devices.parts()
    part, number = np.divmod(np.arange(len(index)), len(index) // parts)
    in_part = index - part[:, None] * -(-units // parts)
    fresh = (in_part >= number[:, None] * index.shape[1]) & (index < units)
    return in_part[:, 0], fresh


@dataclass(frozen=True)
class OverPoints:
    """Analyses at points: what a block has become takes the place of what was read.

    Arguments:
        overlap: Whether some unit is in two blocks, which may change it once.
    """

    plan: Plan
    weigh: Weigh
    finish: Finish
    touched: Touched | None
    overlap: bool

    def __call__(
        self, fields: Fields, blocks: tuple[Block, Tile], shared: Any
    ) -> tuple[Array, PyTree]:
        """x of all points of a part, and the results of its blocks."""
        move = partial(self.move, fields.basis, shared)
        if (touched := self.touched) is None:
            return jax.lax.scan(move, fields.x, blocks)
        reached = jax.lax.map(lambda block: touched(block, shared), blocks[0])
        order = jnp.argsort(~reached)

        def move_next(k: Array, x: Array) -> Array:
            return move(x, jax.tree.map(lambda a: a[order[k]], blocks))[0]

        return jax.lax.fori_loop(0, reached.sum(), move_next, fields.x), None

    def move(
        self, basis: Array | None, shared: Any, x: Array, block_tile: tuple[Block, Tile]
    ) -> tuple[Array, PyTree]:
        """x with the analysis of one block, and its results."""
        block, tile = block_tile
        size = len(tile.fresh)
        before = jax.lax.dynamic_slice_in_dim(x, tile.first, size, 3)
        if basis is None:
            A = anomalies(before)
        else:
            A = jax.lax.dynamic_slice_in_dim(basis, tile.first, size, 3)
        AT, results = self.weigh(block, self.plan.rows(A), shared)
        after = self.finish(before, self.plan.tile(AT.astype(x.dtype)))
        if self.overlap:
            after = jnp.where(tile.fresh[None, None, None, :, None], after, before)
        return jax.lax.dynamic_update_slice_in_dim(x, after, tile.first, 3), results


class NodeBlock(NamedTuple):
    """A block of nodes, with the points of the strip around them and their shares; see `Bands`."""

    block: Block
    near: Int[Array, "*block unit around"]
    share: Float[Array, "*block unit around"]


class Band(NamedTuple):
    """One band of nodes; see `Bands`."""

    first: Int[Array, ""]
    step: Int[Array, ""]
    blocks: NodeBlock


@dataclass(frozen=True)
class OverNodes:
    """Analyses at nodes, whose weights add up at the points around them.

        increment(p) = Σ_node share(node, p) Σ_m A_m(p) T_node[m, n]

    Increments are in memory for a strip of points alone. Band after band the strip moves on, and
    the points that it leaves behind are finished.

    Arguments:
        strip: Number of points of the strip.
    """

    plan: Plan
    weigh: Weigh
    finish: Finish
    strip: int

    def __call__(
        self, fields: Fields, blocks: tuple[Block, Bands], shared: Any
    ) -> tuple[Array, PyTree]:
        """x of all points of a part, and the results of its blocks."""
        x, basis = jax.tree.map(lambda a: a[..., 0], fields)
        block, bands = blocks
        nodes = NodeBlock(block, jnp.asarray(bands.near), jnp.asarray(bands.share))
        first, step = jnp.asarray(bands.first), jnp.asarray(bands.step)
        by_band = jax.tree.map(lambda a: a.reshape(len(first), -1, *a.shape[1:]), nodes)
        increment = jnp.zeros((*x.shape[:3], self.strip), x.dtype)
        move = partial(self.move_band, basis, shared)
        (x, _), results = jax.lax.scan(move, (x, increment), Band(first, step, by_band))
        return x[..., None], jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), results)

    def move_band(
        self, basis: Array | None, shared: Any, carry: tuple[Array, Array], band: Band
    ) -> tuple[tuple[Array, Array], PyTree]:
        """x and the increments of the next strip, and the results of the band's blocks."""
        x, increment = carry

        def add_block(increment: Array, nodes: NodeBlock) -> tuple[Array, PyTree]:
            at = band.first + nodes.near
            A = anomalies(x[..., at]) if basis is None else basis[..., at]
            AT, results = self.interpolated(nodes, A, shared)
            return increment.at[..., nodes.near].add(AT), results

        increment, results = jax.lax.scan(add_block, increment, band.blocks)
        x = _finish_strip(self.finish, x, increment, band.first, band.step)
        ahead = jnp.arange(self.strip) + band.step
        return (x, jnp.take(increment, ahead, 3, mode="fill", fill_value=0)), results

    def interpolated(
        self, nodes: NodeBlock, A: Float[Array, "m frame channel unit around"], shared: Any
    ) -> tuple[Float[Array, "n frame channel unit around"], PyTree]:
        """share(node, p) A(p) T_node at the points around each node."""
        rows = self.plan.rows(A)
        one = jnp.eye(len(A), dtype=A.dtype)
        ones = jnp.broadcast_to(one, (*rows.shape[:2], *one.shape))
        T, results = self.weigh(nodes.block, ones, shared)
        AT = self.plan.tile(product(rows, T.astype(A.dtype)))
        return AT * nodes.share[None, None, None], results


def _finish_strip(
    finish: Finish,
    x: Float[Array, "n frame channel point"],
    increment: Float[Array, "n frame channel strip"],
    first: Int[Array, ""],
    step: Int[Array, ""],
) -> Float[Array, "n frame channel point"]:
    """x with the first `step` points of a strip finished, `FINISH_POINTS` at a time."""
    strip = increment.shape[3]
    size = min(FINISH_POINTS, strip)

    def finish_tile(k: Array, x: Array) -> Array:
        begin = jnp.minimum(k * size, strip - size)
        before = jax.lax.dynamic_slice_in_dim(x, first + begin, size, 3)
        after = finish(before, jax.lax.dynamic_slice_in_dim(increment, begin, size, 3))
        point = begin + jnp.arange(size)
        fresh = (point >= k * size) & (point < step)
        after = jnp.where(fresh[None, None, None], after, before)
        return jax.lax.dynamic_update_slice_in_dim(x, after, first + begin, 3)

    return jax.lax.fori_loop(0, -(-step // size), finish_tile, x)
