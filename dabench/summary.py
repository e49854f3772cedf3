"""A cycle in short: mean, spread and error of the last frame, and whether all is finite."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dabench.metrics.regions import cell_area
from dabench.systems.base import Layout, Members


class Summary(NamedTuple):
    """One cycle for the archive: the last frame alone; mean and spread in double precision."""

    truth: Float[Array, "channel point"]
    mean: Float[Array, "channel point"]
    spread: Float[Array, "channel point"]
    members: Float[Array, "member channel point"]
    rmse: Float[Array, ""]
    diverged: Bool[Array, ""]


def summarise(
    x: Members, truth: Float[Array, "state"], layout: Layout, weights: Float[Array, "channel point"]
) -> Summary:
    """Mean, spread (ddof = 1; zero for one member) and weighted RMSE of the mean.

    An ensemble has diverged where it is not finite and the truth is.
    """
    members, true = layout.now(x), layout.now(truth)
    precise = jax.dtypes.canonicalize_dtype(np.float64)
    mean = jnp.mean(members, 0, dtype=precise)
    deviation = members.astype(precise) - mean[None]
    spread = jnp.sqrt(jnp.sum(deviation**2, 0) / max(1, len(x) - 1))
    error = jnp.where(weights > 0, mean - true.astype(precise), 0)
    rmse = jnp.sqrt(jnp.sum(weights.astype(precise) * error**2))
    diverged = jnp.any(~jnp.isfinite(x) & jnp.isfinite(truth)[None])
    return Summary(true, mean, spread, members, rmse, diverged)


def headline(layout: Layout) -> Float[np.ndarray, "channel point"]:
    """Weights, summing to one, of the RMSE shown while running: 500 hPa temperature, or all."""
    area = np.ones(layout.points)
    if layout.on_sphere:
        area = np.repeat(cell_area(layout.coords["latitude"]), len(layout.coords["longitude"]))
    levels = [abs((c.level or 1e9) - 500) for c in layout.channels if c.name == "temperature"]
    chosen = [
        not levels or (c.name == "temperature" and abs((c.level or 1e9) - 500) == min(levels))
        for c in layout.channels
    ]
    weights = np.outer(chosen, area)
    return weights / weights.sum()
