"""Many small analyses, each from the observations near it, a block of them at a time."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int, PyTree

from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.filters.local.nodes import BANDS, Nodes, make_nodes
from dabench.filters.local.taper import EARTH_RADIUS_KM, Localisation, cutoff, log_pressure, places

BLOCK_UNITS = 128
BLOCK_WEIGHTS = 2**22
HIGHEST = jax.lax.Precision.HIGHEST


class Block(NamedTuple):
    """Some units at a time.

    Arguments:
        position: (unit, point, axis) places of their points.
        start: First location of the window that holds all within reach of the block.
        own: What the caller keeps for each unit.
    """

    position: Float[Array, "unit point axis"]
    start: Int[Array, ""]
    own: PyTree


@dataclass(frozen=True, eq=False)
class Plan:
    """Which unit uses which observations; a unit is some neighbouring points, analysed together.

    Arguments:
        taper: How far observations reach.
        shape: Of a state: frames, channels, points. The frames share their weights.
        position: (unit, point, axis) places of the points of each unit.
        levels: Of the analyses, in ln p.
        channel_level: The level of each channel.
        location: (location, axis) places of observations, each once, in order of latitude.
        observed_levels: In ln p.
        place, level: The location and the level of each observation.
        dtype: Of the state.
        nodes: Where units are points among others, which interpolate their weights.
    """

    taper: Localisation
    shape: tuple[int, int, int]
    position: Float[np.ndarray, "unit point axis"]
    levels: Float[np.ndarray, "level"]
    channel_level: Int[np.ndarray, "channel"]
    location: Float[np.ndarray, "location axis"]
    observed_levels: Float[np.ndarray, "observed_level"]
    place: Int[np.ndarray, "obs"]
    level: Int[np.ndarray, "obs"]
    dtype: jnp.dtype
    nodes: Nodes | None = None

    @property
    def vertical(self) -> Float[Array, "level observed_level"]:
        """Taper between the levels of analyses and of observations."""
        own, seen = (jnp.asarray(v, self.dtype) for v in (self.levels, self.observed_levels))
        return self.taper.vertical(own, seen)

    @cached_property
    def slots(self) -> Int[np.ndarray, "level slot"]:
        """The channels of each level of the analyses; filled up with the number of channels."""
        slot = pd.Series(self.channel_level).groupby(self.channel_level).cumcount().to_numpy()
        slots = np.full((len(self.levels), slot.max() + 1), len(slot))
        slots[self.channel_level, slot] = np.arange(len(slot))
        return slots

    def rows(self, tile: Float[Array, "m *tile"]) -> Float[Array, "unit level row m"]:
        """A tile (m, frame, channel, unit, point) by what shares weights."""
        tile = jnp.take(tile, self.slots, axis=2, mode="fill", fill_value=0)
        tile = jnp.transpose(tile, (4, 2, 3, 1, 5, 0))
        return tile.reshape(*tile.shape[:2], -1, tile.shape[-1])

    def tile(self, rows: Float[Array, "unit level row n"]) -> Float[Array, "n *tile"]:
        """The inverse of `rows`."""
        shape = self.slots.shape[1], self.shape[0], -1, rows.shape[-1]
        tile = jnp.transpose(rows.reshape(*rows.shape[:2], *shape), (5, 3, 1, 2, 0, 4))
        channel = np.argsort(self.slots.ravel())[: self.shape[1]]
        return tile.reshape(*tile.shape[:2], -1, *tile.shape[4:])[:, :, channel]

    @cached_property
    def index(self) -> Int[np.ndarray, "slot observed_level location"]:
        """Which observation is where; the number of observations where there is none."""
        shape = len(self.observed_levels), len(self.location)
        cell = pd.Series(self.level * shape[1] + self.place)
        slot = cell.groupby(cell).cumcount().to_numpy()
        index = np.full((slot.max() + 1, *shape), len(cell))
        index[slot, self.level, self.place] = np.arange(len(cell))
        return index

    @cached_property
    def along(self) -> tuple[np.ndarray, np.ndarray]:
        """Latitudes in radians, or sites, of the locations and of the points of units."""
        places = self.location, self.position
        if not self.taper.sphere:
            return places[0][..., 0], places[1][..., 0]
        z = (np.clip(v[..., 2], -1, 1) for v in places)
        return np.arcsin(next(z)), np.arcsin(next(z))


def make_plan(
    layout: Layout, table: pd.DataFrame, taper: Localisation, batch: int = 1, stride: int = 1
) -> Plan:
    """Of the points of a layout, `batch` neighbours at a time, and of a network's table.

    Without a horizontal taper all points are one unit.

    Arguments:
        stride: Above 1, the units are points this far apart; the others interpolate their weights.
    """
    position, nodes = places(layout.positions), None
    if taper.length_scale is None:
        batch, stride = len(position), 1
    if len(position) % batch:
        raise UserError(f"batch: {batch} does not divide the number of points, {len(position)}")
    if stride > 1 and batch > 1:
        raise UserError(f"weight_stride: {stride} needs batch 1, not {batch}: both group points")
    if stride > 1:
        nodes = make_nodes(layout, stride)
        position = position[nodes.point]
    keep = taper.vertical_scale is not None
    own, seen = log_pressure([c.level for c in layout.channels]), log_pressure(table["level"])
    levels, channel_level = np.unique(own * keep, return_inverse=True)
    observed_levels, level = np.unique(seen * keep, return_inverse=True)
    columns = ["latitude", "longitude"] if layout.on_sphere else ["site"]
    values, place = np.unique(table[columns].to_numpy(float), axis=0, return_inverse=True)
    return Plan(
        taper,
        layout.shape,
        position.reshape(-1, batch, position.shape[-1]),
        levels,
        channel_level,
        places(dict(zip(columns, values.T, strict=True))),
        observed_levels,
        place.ravel(),
        level,
        jax.dtypes.canonicalize_dtype(layout.dtype),
        nodes,
    )


def observation_plan(plan: Plan) -> Plan:
    """The plan of an analysis of the observed quantities, as a state (slot, level, location)."""
    return replace(
        plan,
        shape=plan.index.shape,
        position=plan.location[:, None],
        levels=plan.observed_levels,
        channel_level=np.arange(len(plan.observed_levels)),
    )


def blocks(plan: Plan, weights: int, parts: int = 1) -> Int[np.ndarray, "block unit"]:
    """Units by block, neighbours all, so many that this many numbers a level and unit fit.

    Each part has as many units and blocks, those that its points want; what is not below the number
    of units stands for none. Where units are not shared, the last block of a part begins early
    enough to be full.
    """
    most = min(BLOCK_UNITS, max(1, BLOCK_WEIGHTS // (weights * len(plan.levels))))
    if plan.nodes is not None:
        return _nodes_by_block(plan.nodes, plan.shape[-1], most, parts)
    units = -(-len(plan.position) // parts)
    count = -(-units // most)
    size = -(-units // count)
    first = np.minimum(np.arange(count) * size, units - size)
    first = (np.arange(parts)[:, None] * units + first).ravel()
    return first[:, None] + np.arange(size)


def _nodes_by_block(
    nodes: Nodes, points: int, most: int, parts: int
) -> Int[np.ndarray, "block unit"]:
    """Those that some point of a part takes weights from; parts may have some in common.

    More blocks than `BANDS` are a multiple of them.
    """
    part = np.where(nodes.share > 0, nodes.near // -(-points // parts), -1)
    wanted = [np.flatnonzero((part == p).any(1)) for p in range(parts)]
    count = -(-max(map(len, wanted)) // most)
    if count > BANDS:
        count = -(-count // BANDS) * BANDS
    size = -(-max(map(len, wanted)) // count)
    index = np.full((parts, count * size), len(nodes.point))
    for row, own in zip(index, wanted, strict=True):
        row[: len(own)] = own
    return index.reshape(-1, size)


def windows(plan: Plan, index: Int[np.ndarray, "block unit"]) -> tuple[np.ndarray, int]:
    """First location within reach of each block, and the length that covers all their windows.

    A window that leaves a ring at one end, with a start below 0 even, goes on at the other.
    """
    count, scale, ring = len(plan.location), plan.taper.length_scale, plan.taper.ring
    if scale is None:
        return np.zeros(len(index), np.int32), count
    reach = cutoff(scale) / EARTH_RADIUS_KM + 1e-3 if plan.taper.sphere else cutoff(scale)
    seen, own = plan.along
    index = np.minimum(index, len(own) - 1)
    laps = (-1, 0, 1) if ring else (0,)
    seen = np.concatenate([seen + lap * ring for lap in laps])
    first = np.searchsorted(seen, own[index].min((1, 2)) - reach)
    size = max(
        1, int((np.searchsorted(seen, own[index].max((1, 2)) + reach, "right") - first).max())
    )
    if size >= count:
        return np.zeros(len(index), np.int32), count
    return (np.minimum(first, len(seen) - size) + laps[0] * count).astype(np.int32), size


def look(values: Float[Array, "location *rest"], start: Array, size: int) -> Array:
    """A window of `windows`."""
    if size == len(values):
        return values
    return values[(start + jnp.arange(size)) % len(values)]
