"""Quality control: values too far from a forecast are kept from a method, and the archive says so.

The forecast is that of the method's own members, drawn by the keys that it draws its own by.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, UInt8

from dabench.core.precision import wide
from dabench.core.quality import BACKGROUND, BUDDY, USED
from dabench.filters.base import Filter, Info, Problem, split_key
from dabench.filters.forecast import forecast, observed
from dabench.observe.buddies import Neighbours
from dabench.observe.network import Network, Observation
from dabench.observe.withheld import moments

QUARTILE = 1.1503
"""Upper quartile of the absolute deviations of a Gaussian, in standard deviations."""


def checked(make: Callable[[Problem], Filter], problem: Problem) -> Filter:
    """The filter of a problem, without the values that the checks of its network reject.

    Where no group has a check nothing changes. The diagnostic `rejected` says which values were
    rejected, and by which check.
    """
    network = problem.network
    method = make(problem)
    if network.limit is None:
        return method

    def step(key: Key[Array, ""], carry: Any, obs: Observation) -> tuple[Any, Info]:
        keys, _ = split_key(key, len(carry.x))
        x, cost = forecast(problem, keys, carry.x, obs.time)
        rejected = quality_control(network, observed(network, x), obs)
        accepted = present(network, obs) & (rejected == USED)
        carry, info = method.step(key, carry, obs._replace(present=accepted))
        info["rejected"] = rejected
        if "evaluations" in info:
            info["evaluations"] = info["evaluations"] + cost.get("evaluations", 0)
        return carry, info

    return method._replace(step=step)


def present(network: Network, obs: Observation) -> Bool[Array, "obs"]:
    """Whether each observation is there."""
    return jnp.ones(network.size, bool) if obs.present is None else obs.present


def quality_control(
    network: Network, hx: Float[Array, "member obs"], obs: Observation
) -> UInt8[Array, "obs"]:
    """The check that rejects each value, by the numbers of `quality.FLAGS`; zero where it is used.

    The background check rejects |d| > limit · s, with d = y - mean h(x') and s² = R + Var h(x').
    Where a value has enough buddies that are there, the buddy check decides in its place, by

        |d - median of theirs| > limit · max(s, σ)
        σ = upper quartile of |theirs - median| / 1.15

    so that a background that is wrong over a region (a front out of place) costs no observations,
    and the tolerance grows with the variability around. Neither statistic minds gross errors in
    less than a quarter of the buddies, so that suspects need not be taken out of them one by one.
    Where a quarter is on a value's own side of a front, it is kept, whatever the others are like.
    Values whose errors are correlated with those of a rejected one are rejected with it.

    Arguments:
        network: Network with limits and neighbours.
        hx: Forecast members in observation space.
        obs: Observations, as they are.
    Source: Dee, Rukhovets, Todling, da Silva & Larson (2001), Q. J. R. Meteorol. Soc. 127, 2451:
        suspects of the background check are judged by buddies, with a tolerance that adapts to
        these. Its interpolation from buddies without suspects, repeated, is the median here.
    """
    there, limit = present(network, obs), jnp.asarray(network.limit)
    mean, var = moments(hx, network)
    d, expected = network.departure(obs.y, mean), jnp.sqrt(var + jnp.asarray(network.var, wide()))
    near = jnp.abs(d) <= limit * expected
    passes = near
    if network.neighbours is not None:
        buddies = of_buddies(network.neighbours, d, there)
        tolerance = limit * jnp.maximum(expected, buddies.deviation)
        agrees = jnp.abs(network.departure(d, buddies.median)) <= tolerance
        passes = jnp.where(buddies.enough, agrees, near)
    reason = jnp.where(near, BUDDY, BACKGROUND)
    rejected = jnp.where(there & ~passes, reason, USED).astype(jnp.uint8)
    for block in network.correlated:
        own = rejected[block.index]
        worst = jnp.where(there[block.index] & (own == USED), own.max(-1, keepdims=True), own)
        rejected = rejected.at[block.index].set(worst)
    return rejected


class BuddyStatistics(NamedTuple):
    """What the departures of the neighbours of each observation say.

    Arguments:
        median: Their median.
        deviation: Their standard deviation, from absolute deviations from it.
        enough: Whether so many are there as the check needs.
    """

    median: Float[Array, "obs"]
    deviation: Float[Array, "obs"]
    enough: Bool[Array, "obs"]


def of_buddies(
    neighbours: Neighbours, d: Float[Array, "obs"], there: Bool[Array, "obs"]
) -> BuddyStatistics:
    """Statistics of the departures d of the neighbours that are there."""
    are_there = jnp.asarray(neighbours.near) & there[neighbours.index]
    values, count = d[neighbours.index], are_there.sum(-1)
    median = _quantile(values, are_there, 0.5)
    deviation = _quantile(jnp.abs(values - median[:, None]), are_there, 0.75) / QUARTILE
    return BuddyStatistics(median, deviation, count >= jnp.asarray(neighbours.least))


def _quantile(
    values: Float[Array, "obs buddy"], are_there: Bool[Array, "obs buddy"], share: float
) -> Float[Array, "obs"]:
    """Quantiles of the rows over the values that are there, between two of them linearly.

    They are NaN where none is there.
    """
    ranked = jnp.sort(jnp.where(are_there, values, jnp.inf), -1)
    place = share * jnp.maximum(are_there.sum(-1) - 1, 0)
    ends = jnp.stack([jnp.floor(place), jnp.ceil(place)], -1).astype(int)
    low, high = jnp.take_along_axis(ranked, ends, -1).T
    return low + (place - ends[:, 0]) * (high - low)
