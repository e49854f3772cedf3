"""Amounts of water that no method may make negative."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.core.layout import Layout
from dabench.filters.base import Filter, Info, Problem
from dabench.observe.network import Observation

AMOUNTS = ("specific_humidity", "total_precipitation_12hr")


def nonnegative(method: Filter, problem: Problem) -> Filter:
    """The method, whose members are cut off below at zero in the channels of `AMOUNTS`.

    Where states of the climate are negative, as sums of harmonics can be around steep gradients,
    the smallest value of the channel in the climate takes the place of zero. The diagnostic
    `clipped` is the share of these channels' values that were below. Nothing changes where a state
    has no such channel.
    """
    layout = problem.model.layout
    channels = [i for i, c in enumerate(layout.channels) if c.name in AMOUNTS]
    if not channels:
        return method
    floor = jnp.asarray(lowest(layout, problem.climate, channels), layout.dtype)[:, None]

    def step(key: Key[Array, ""], carry: Any, obs: Observation) -> tuple[Any, Info]:
        after, info = method.step(key, carry, obs)
        frames = layout.unflatten(after.x)
        amounts = frames[:, :, jnp.asarray(channels)]
        cut = jnp.maximum(amounts, floor[None, None])
        x = frames.at[:, :, jnp.asarray(channels)].set(cut).reshape(after.x.shape)
        return _with_members(after, x), info | Info(clipped=jnp.mean(amounts < floor[None, None]))

    return method._replace(step=step)


def lowest(
    layout: Layout, climate: Float[Array, "draw state"], channels: list[int]
) -> Float[np.ndarray, "channel"]:
    """Zero, or the smallest value of each channel in the climate."""
    if not len(climate):
        return np.zeros(len(channels))
    return np.minimum(layout.unflatten(np.asarray(climate))[:, :, channels].min((0, 1, 3)), 0)


def _with_members(carry: Any, x: Array) -> Any:
    if dataclasses.is_dataclass(carry):
        return dataclasses.replace(carry, x=x)  # type: ignore[type-var]
    return carry._replace(x=x)
