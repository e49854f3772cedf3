"""Correlated errors: a method is given combinations of observations whose errors are independent.

For R = D^½ L Lᵀ D^½ they are L⁻¹ D^-½ y, and h likewise, with R = I. Hᵀ R⁻¹ H and Hᵀ R⁻¹ (y - h)
are what they were, so that a method which is exact for independent errors is so here. A local one
takes each combination to lie where the last of its observations does: it localises R⁻¹.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.filters.base import Filter, Info, Problem
from dabench.observe.errors import correlate, decorrelate
from dabench.observe.network import Network, Observation
from dabench.observe.withheld import moments


def whitened(make: Callable[[Problem], Filter], problem: Problem) -> Filter:
    """The filter of a problem, whose observations are whitened if their errors are correlated.

    Its diagnostics are of the observations as they are.

    Arguments:
        make: Factory of the filter.
        problem: Problem with the network as it is.
    """
    network = problem.network
    if not network.correlated:
        return make(problem)
    method = make(problem._replace(network=white(network)))

    def step(key: Key[Array, ""], carry: Any, obs: Observation) -> tuple[Any, Info]:
        carry, info = method.step(key, carry, obs._replace(y=whiten(network, obs.y)))
        return carry, as_observed(network, info)

    return method._replace(step=step)


def whiten(network: Network, v: Float[Array, "*row obs"]) -> Float[Array, "*row obs"]:
    """L⁻¹ D^-½ v."""
    return decorrelate(network.correlated, v * jnp.asarray(1 / network.error_std, v.dtype))


def white(network: Network) -> Network:
    """The network of the combinations, with R = I."""
    return replace(
        network,
        h=lambda x: whiten(network, network.h(x)),
        error_std=np.ones(network.size),
        table=network.table.assign(error_std=1.0),
        correlated=(),
        combined=True,
    )


def as_observed(network: Network, info: Info) -> Info:
    """Diagnostics whose moments in observation space are those of the observations themselves.

    Where a method does not say how its background is spread in state space, the variance is left
    out, which cannot be had from those of combinations.
    """
    if "background" in info:
        mean, var = moments(jax.vmap(network.h)(info["background"]))
        return info | Info(background_obs=mean, background_var=var)
    after = Info(**{k: v for k, v in info.items() if k != "background_var"})  # type: ignore[typeddict-item]
    if "background_obs" in info:
        mean = info["background_obs"]
        std = jnp.asarray(network.error_std, mean.dtype)
        after["background_obs"] = std * correlate(network.correlated, mean)
    return after
