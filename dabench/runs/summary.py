"""A cycle in short: what scores need of the last frame, and whether all is finite."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dabench.core.layout import Layout, cell_area
from dabench.core.types import Members


class Ranked(NamedTuple):
    """What CRPS and rank histograms need of members X and the truth Y, at every point.

    Arguments:
        skill: Mean of |X - Y|.
        distance: Mean of |X_k - X_l| over pairs of different members; zero for a single member.
        below, ties: How many members are below the truth and equal to it; NaN is above all numbers.
    Source: As `metrics.ensemble.crps_skill` and `crps_spread`, and `metrics.rank.rank`.
    """

    skill: Float[Array, "channel point"]
    distance: Float[Array, "channel point"]
    below: Float[Array, "channel point"]
    ties: Float[Array, "channel point"]


class Summary(NamedTuple):
    """One cycle for the archive: the last frame alone; mean and spread in double precision."""

    truth: Float[Array, "channel point"]
    mean: Float[Array, "channel point"]
    spread: Float[Array, "channel point"]
    members: Float[Array, "member channel point"]
    ranked: Ranked
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
    return Summary(true, mean, spread, members, ranked(members, true), rmse, diverged)


def ranked(
    members: Float[Array, "member channel point"], truth: Float[Array, "channel point"]
) -> Ranked:
    """Channel by channel: sorted, a whole ensemble would be held twice."""
    precise, n = jax.dtypes.canonicalize_dtype(np.float64), len(members)
    place = (2 * np.arange(n) + 1 - n) * 2 / (n * max(1, n - 1))

    def channel(each: tuple[Array, Array]) -> Ranked:
        x, y = each[0], each[1][None]
        skill = jnp.abs(x.astype(precise) - y.astype(precise)).mean(0)
        distance = (jnp.sort(x, 0).astype(precise) * place[:, None]).sum(0)
        gone, unknown = jnp.isnan(x), jnp.isnan(y)
        below, ties = (x < y) | (unknown & ~gone), (x == y) | (unknown & gone)
        found = skill, distance, below.sum(0), ties.sum(0)
        return Ranked(*(a.astype(x.dtype) for a in found))

    return jax.lax.map(channel, (jnp.moveaxis(members, 1, 0), truth))


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
