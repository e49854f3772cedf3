"""Many small analyses, each from the observations near it, a block of them at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int, PyTree

from dabench.errors import UserError
from dabench.filters.localise import EARTH_RADIUS_KM, Localisation, cutoff, log_pressure, places
from dabench.systems.base import Layout

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


Weigh = Callable[[Block], tuple[Float[Array, "unit level m n"], PyTree]]
"""Weights T of a block, and what the caller wants back for each of its units."""


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

    @property
    def vertical(self) -> Float[Array, "level observed_level"]:
        """Taper between the levels of analyses and of observations."""
        own, seen = (jnp.asarray(v, self.dtype) for v in (self.levels, self.observed_levels))
        return self.taper.vertical(own, seen)

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
    def latitudes(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the locations and of the points of units, in radians (on the sphere)."""
        z = self.location[:, 2], self.position[..., 2]
        return np.arcsin(np.clip(z[0], -1, 1)), np.arcsin(np.clip(z[1], -1, 1))


def make_plan(layout: Layout, table: pd.DataFrame, taper: Localisation, batch: int = 1) -> Plan:
    """Of the points of a layout, `batch` neighbours at a time, and of a network's table.

    Without a horizontal taper all points are one unit.
    """
    position = places(layout.positions)
    batch = len(position) if taper.length_scale is None else batch
    if len(position) % batch:
        raise UserError(f"batch: {batch} does not divide the number of points, {len(position)}")
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


def blocks(plan: Plan, weights: int) -> Int[np.ndarray, "block unit"]:
    """Units by block, of a size that suits this many weights a level; the last one repeats."""
    size = min(BLOCK_UNITS, max(1, BLOCK_WEIGHTS // (weights * len(plan.levels))))
    units = len(plan.position)
    count = -(-units // size)
    return np.minimum(np.arange(count * -(-units // count)), units - 1).reshape(count, -1)


def windows(plan: Plan, index: Int[np.ndarray, "block unit"]) -> tuple[np.ndarray, int]:
    """First location within reach of each block, and the length that covers all their windows."""
    if not plan.taper.sphere or plan.taper.length_scale is None:
        return np.zeros(len(index), np.int32), len(plan.location)
    reach = cutoff(plan.taper.length_scale) / EARTH_RADIUS_KM + 1e-3
    seen, own = plan.latitudes
    first = np.searchsorted(seen, own[index].min((1, 2)) - reach)
    size = max(1, int((np.searchsorted(seen, own[index].max((1, 2)) + reach) - first).max()))
    return np.minimum(first, len(seen) - size).astype(np.int32), size


def combine(
    plan: Plan,
    basis: Float[Array, "m state"],
    index: np.ndarray,
    start: np.ndarray,
    weigh: Weigh,
    own: PyTree,
) -> tuple[Float[Array, "n state"], PyTree]:
    """Σ_m basis_m T[m, n] at every point, T from `weigh`; and what it returns for each unit.

    Arguments:
        index, start: From `blocks` and `windows`.
        own: Arrays with a row for each unit, for `weigh`.
    """
    units, points = plan.position.shape[:2]
    frames, channels, _ = plan.shape

    def move(args: tuple[Block, Array]) -> tuple[Array, PyTree]:
        T, result = weigh(args[0])
        T = T.astype(basis.dtype)[:, plan.channel_level]
        return jnp.einsum("mfcup,ucmn->ucnfp", args[1], T, precision=HIGHEST), result

    near = basis.reshape(-1, frames, channels, units, points)[:, :, :, index]
    block = Block(
        jnp.asarray(plan.position[index], plan.dtype),
        jnp.asarray(start),
        jax.tree.map(lambda a: a[index], own),
    )
    moved, result = jax.lax.map(move, (block, jnp.moveaxis(near, 3, 0)))
    moved, result = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:units], (moved, result))
    return jnp.einsum("ucnfp->nfcup", moved).reshape(-1, basis.shape[1]), result
