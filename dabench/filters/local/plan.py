"""Which points are analysed together, and from which observations; see the diagram in `local`."""

from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.filters.local.nodes import BANDS, Nodes, make_nodes
from dabench.filters.local.taper import EARTH_RADIUS_KM, Localisation, cutoff, log_pressure, places

BLOCK_UNITS = 128  # upper limit on the units of a block
BLOCK_WEIGHTS = 2**22  # upper limit on the numbers that are in memory for the levels of a block
HIGHEST = jax.lax.Precision.HIGHEST


@dataclass(frozen=True, eq=False)
class Plan:
    """Units, levels and observations of local analyses. The frames of a state share their weights.

    Arguments:
        taper: How influence falls with distance.
        shape: Frames, channels and points of a state.
        position: (unit, point, axis) places of the points of each unit.
        levels: Levels of the analyses, in ln p.
        channel_level: The level of each channel.
        location: (location, axis) places of observations, each once, in order of latitude.
        observed_levels: Levels of the observations, in ln p.
        obs_location, obs_level: The location and the level of each observation.
        dtype: Type of the state.
        nodes: Where units are nodes, the points that take weights from them.
    """

    taper: Localisation
    shape: tuple[int, int, int]
    position: Float[np.ndarray, "unit point axis"]
    levels: Float[np.ndarray, "level"]
    channel_level: Int[np.ndarray, "channel"]
    location: Float[np.ndarray, "location axis"]
    observed_levels: Float[np.ndarray, "observed_level"]
    obs_location: Int[np.ndarray, "obs"]
    obs_level: Int[np.ndarray, "obs"]
    dtype: jnp.dtype
    nodes: Nodes | None = None

    @property
    def vertical(self) -> Float[Array, "level observed_level"]:
        """Taper between the levels of analyses and of observations."""
        levels, observed = (jnp.asarray(v, self.dtype) for v in (self.levels, self.observed_levels))
        return self.taper.vertical(levels, observed)

    @cached_property
    def slots(self) -> Int[np.ndarray, "level slot"]:
        """The channels of each level of the analyses; filled up with the number of channels."""
        slot = pd.Series(self.channel_level).groupby(self.channel_level).cumcount().to_numpy()
        slots = np.full((len(self.levels), slot.max() + 1), len(slot))
        slots[self.channel_level, slot] = np.arange(len(slot))
        return slots

    def rows(self, tile: Float[Array, "m *tile"]) -> Float[Array, "unit level row m"]:
        """The values of a tile (m, frame, channel, unit, point), grouped by unit and level."""
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
    def observation(self) -> Int[np.ndarray, "slot observed_level location"]:
        """Number of the observation at each level and location; of all observations where none is.

        Several of one level and location are in different slots.
        """
        shape = len(self.observed_levels), len(self.location)
        cell = pd.Series(self.obs_level * shape[1] + self.obs_location)
        slot = cell.groupby(cell).cumcount().to_numpy()
        number = np.full((slot.max() + 1, *shape), len(cell))
        number[slot, self.obs_level, self.obs_location] = np.arange(len(cell))
        return number

    @cached_property
    def northward(self) -> tuple[np.ndarray, np.ndarray]:
        """Latitudes in radians (on a line: sites) of locations, and of the points of units."""
        if not self.taper.sphere:
            return self.location[..., 0], self.position[..., 0]
        return _latitude(self.location), _latitude(self.position)


def _latitude(place: Float[np.ndarray, "*shape axis"]) -> Float[np.ndarray, "*shape"]:
    return np.arcsin(np.clip(place[..., 2], -1, 1))


def make_plan(
    layout: Layout, table: pd.DataFrame, taper: Localisation, batch: int = 1, stride: int = 1
) -> Plan:
    """The plan for a layout's points and a network's table of observations.

    Without a horizontal taper all points are one unit.

    Arguments:
        batch: Number of neighbouring points of a unit.
        stride: Above 1, units are nodes this many points apart each way.
    """
    position, nodes = places(layout.positions), None
    if taper.length_scale is None:
        batch, stride = len(position), 1
    _check_units(len(position), batch, stride)
    if stride > 1:
        nodes = make_nodes(layout, stride)
        position = position[nodes.point]
    by_level = taper.vertical_scale is not None
    channel_ln_p = log_pressure([c.level for c in layout.channels])
    levels, channel_level = np.unique(channel_ln_p * by_level, return_inverse=True)
    obs_ln_p = log_pressure(table["level"])
    observed_levels, obs_level = np.unique(obs_ln_p * by_level, return_inverse=True)
    columns = ["latitude", "longitude"] if layout.on_sphere else ["site"]
    values, location = np.unique(table[columns].to_numpy(float), axis=0, return_inverse=True)
    return Plan(
        taper,
        layout.shape,
        position.reshape(-1, batch, position.shape[-1]),
        levels,
        channel_level,
        places(dict(zip(columns, values.T, strict=True))),
        observed_levels,
        location.ravel(),
        obs_level,
        jax.dtypes.canonicalize_dtype(layout.dtype),
        nodes,
    )


def _check_units(points: int, batch: int, stride: int) -> None:
    if points % batch:
        raise UserError(
            f"batch: {batch} does not divide the number of points, {points}; "
            f"{_largest_divisor(points, batch)} does"
        )
    if stride > 1 and batch > 1:
        raise UserError(
            f"weight_stride: {stride} needs batch 1, not {batch}: both group points; leave one out"
        )


def _largest_divisor(points: int, limit: int) -> int:
    return max(n for n in range(1, min(limit, points) + 1) if points % n == 0)


def observation_plan(plan: Plan) -> Plan:
    """The plan of an analysis of the observed quantities, as a state (slot, level, location)."""
    return replace(
        plan,
        shape=plan.observation.shape,
        position=plan.location[:, None],
        levels=plan.observed_levels,
        channel_level=np.arange(len(plan.observed_levels)),
    )


def blocks(plan: Plan, weights: int, parts: int = 1) -> Int[np.ndarray, "block unit"]:
    """Numbers of the units of each block; a number beyond the last unit stands for none.

    Each part has as many blocks, of as many units; they cover the part's points. Units that are not
    nodes belong to one part, and the last block of a part begins early enough to be full.

    Arguments:
        weights: Numbers that are in memory for each unit and level of a block.
    """
    most = min(BLOCK_UNITS, max(1, BLOCK_WEIGHTS // (weights * len(plan.levels))))
    if plan.nodes is not None:
        return _blocks_of_nodes(plan.nodes, plan.shape[-1], most, parts)
    units = -(-len(plan.position) // parts)
    count = -(-units // most)
    size = -(-units // count)
    first = np.minimum(np.arange(count) * size, units - size)
    first = (np.arange(parts)[:, None] * units + first).ravel()
    return first[:, None] + np.arange(size)


def _blocks_of_nodes(
    nodes: Nodes, points: int, most: int, parts: int
) -> Int[np.ndarray, "block unit"]:
    """Blocks of the nodes that the points of each part take weights from; parts may share nodes.

    More blocks than `BANDS` are a multiple of it.
    """
    part = np.where(nodes.share > 0, nodes.near // -(-points // parts), -1)
    nodes_of_part = [np.flatnonzero((part == p).any(1)) for p in range(parts)]
    largest = max(map(len, nodes_of_part))
    count = -(-largest // most)
    if count > BANDS:
        count = -(-count // BANDS) * BANDS
    size = -(-largest // count)
    index = np.full((parts, count * size), len(nodes.point))
    for row, numbers in zip(index, nodes_of_part, strict=True):
        row[: len(numbers)] = numbers
    return index.reshape(-1, size)


def windows(
    plan: Plan, index: Int[np.ndarray, "block unit"]
) -> tuple[Int[np.ndarray, "block"], int]:
    """First location of each block's window, and the length that covers all windows.

    A window that leaves a ring at one end, with a start below 0 even, goes on at the other.
    """
    count, ring = len(plan.location), plan.taper.ring
    everything = np.zeros(len(index), np.int32), count
    if plan.taper.length_scale is None:
        return everything
    reach = cutoff(plan.taper.length_scale)
    if plan.taper.sphere:
        reach = reach / EARTH_RADIUS_KM + 1e-3
    locations, units = plan.northward
    along = units[np.minimum(index, len(units) - 1)]
    laps = (-1, 0, 1) if ring else (0,)
    locations = np.concatenate([locations + lap * ring for lap in laps])
    first = np.searchsorted(locations, along.min((1, 2)) - reach)
    last = np.searchsorted(locations, along.max((1, 2)) + reach, "right")
    size = max(1, int((last - first).max()))
    if size >= count:
        return everything
    return (np.minimum(first, len(locations) - size) + laps[0] * count).astype(np.int32), size


def in_window(
    values: Float[Array, "location *rest"], start: Int[Array, ""], size: int
) -> Float[Array, "window *rest"]:
    """Values at the locations of a window that begins at `start`."""
    if size == len(values):
        return values
    return values[(start + jnp.arange(size)) % len(values)]
