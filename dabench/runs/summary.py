"""One cycle in short: statistics of the ensemble that scores need, and whether it is finite."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dabench.core import ensemble
from dabench.core.layout import Layout, cell_area
from dabench.core.types import Members


class Ranked(NamedTuple):
    """Statistics at every point that CRPS and rank histograms are made of.

    Arguments:
        skill: Mean of |X - Y| over members X, with the truth Y.
        distance: Mean of |X_k - X_l| over pairs of different members; zero for a single member.
        below: Number of members below the truth; NaN counts as above all numbers.
        ties: Number of members equal to the truth.
    Source: The definitions of `metrics.ensemble.crps_skill`, `crps_spread` and `metrics.rank.rank`.
    """

    skill: Float[Array, "channel point"]
    distance: Float[Array, "channel point"]
    below: Float[Array, "channel point"]
    ties: Float[Array, "channel point"]


class Summary(NamedTuple):
    """One cycle as archives keep it.

    Arguments:
        truth: True last frame.
        mean: Ensemble mean of the last frame, in float64 where it is enabled.
        spread: Standard deviation of the members (ddof = 1; zero for one), as the mean.
        members: Last frames of all members.
        ranked: Statistics for CRPS and ranks.
        rmse: Weighted RMSE of the mean.
        diverged: Whether the ensemble is not finite somewhere the truth is.
    """

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
    """Summarise an ensemble of whole states; only their last frames are kept.

    Arguments:
        x: Members.
        truth: True state.
        layout: Layout of the states.
        weights: Weights of the RMSE, which sum to one.
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
    """Statistics of members and truth at every point.

    Channels are worked on one after the other: sorting needs a copy of what it sorts, and a copy
    of a whole ensemble may not fit into memory.
    """

    def of_channel(values: tuple[Array, Array]) -> Ranked:
        x, y = values[0], values[1][None]
        skill, distance = ensemble.crps_skill(x, values[1]), ensemble.crps_distance(x)
        no_x, no_y = jnp.isnan(x), jnp.isnan(y)
        below, ties = (x < y) | (no_y & ~no_x), (x == y) | (no_y & no_x)
        statistics = skill, distance, below.sum(0), ties.sum(0)
        return Ranked(*(a.astype(x.dtype) for a in statistics))

    return jax.lax.map(of_channel, (jnp.moveaxis(members, 1, 0), truth))


def headline(layout: Layout) -> Float[np.ndarray, "channel point"]:
    """Weights of the RMSE that is shown while a run lasts; they sum to one.

    On the sphere it is the RMSE of temperature at the level nearest to 500 hPa, by area of the grid
    cells; without temperature, and in toy systems, of all channels.
    """
    area = np.ones(layout.points)
    if layout.on_sphere:
        area = np.repeat(cell_area(layout.coords["latitude"]), len(layout.coords["longitude"]))
    from_500 = [abs((c.level or 1e9) - 500) for c in layout.channels]
    temperatures = [i for i, c in enumerate(layout.channels) if c.name == "temperature"]
    nearest = min((from_500[i] for i in temperatures), default=0)
    channels = [i for i in temperatures if from_500[i] == nearest] or range(len(from_500))
    weights = np.outer(np.isin(np.arange(len(from_500)), channels), area)
    return weights / weights.sum()
