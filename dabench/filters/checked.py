"""Quality control: values too far from a forecast are kept from a method, and the archive says so.

The forecast is that of the method's own members, drawn by the keys that it draws its own by.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from dabench.core.precision import wide
from dabench.filters.base import Filter, Info, Problem, split_key
from dabench.filters.forecast import forecast, observed
from dabench.observe.network import Network, Observation
from dabench.observe.withheld import moments

BACKGROUND = 1
"""Why a value is rejected: it fails the background check."""


def checked(make: Callable[[Problem], Filter], problem: Problem) -> Filter:
    """The filter of a problem, without the values that the network's background check rejects.

    Where no group has a check nothing changes. The diagnostic `rejected` says which values were
    rejected, `analysis_obs` what the analysis makes of all of them.
    """
    network = problem.network
    method = make(problem)
    if network.limit is None:
        return method

    def step(key: Key[Array, ""], carry: Any, obs: Observation) -> tuple[Any, Info]:
        keys, _ = split_key(key, len(carry.x))
        x, cost = forecast(problem, keys, carry.x, obs.time)
        check = background_check(network, observed(network, x), obs)
        carry, info = method.step(key, carry, obs._replace(present=check.accepted))
        info["rejected"] = jnp.where(check.rejected, BACKGROUND, 0).astype(jnp.uint8)
        info["analysis_obs"] = moments(observed(network, carry.x)).mean
        if "evaluations" in info:
            info["evaluations"] = info["evaluations"] + cost.get("evaluations", 0)
        return carry, info

    return method._replace(step=step)


class Check(NamedTuple):
    """The outcome of a check: values that are used, and those that are there but rejected."""

    accepted: Bool[Array, "obs"]
    rejected: Bool[Array, "obs"]


def background_check(network: Network, hx: Float[Array, "member obs"], obs: Observation) -> Check:
    """Reject where |y - mean h(x')| > limit · √(R + Var h(x')).

    Values whose errors are correlated with those of a rejected one are rejected with it.

    Arguments:
        network: Network with the limits.
        hx: Forecast members in observation space.
        obs: Observations, as they are.
    """
    there = jnp.ones(network.size, bool) if obs.present is None else obs.present
    mean, var = moments(hx)
    expected = jnp.sqrt(var + jnp.asarray(network.var, wide()))
    near = jnp.abs(obs.y - mean) <= jnp.asarray(network.limit) * expected
    for block in network.correlated:
        whole = near[block.index] | ~there[block.index]
        near = near.at[block.index].set(jnp.broadcast_to(whole.all(-1, keepdims=True), whole.shape))
    return Check(there & near, there & ~near)
