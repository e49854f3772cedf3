"""Directions of winds: a method is given unit vectors, which have no jump between 360 and 0.

A direction φ with the error σ becomes sin φ and cos φ with the error σ in radians. For a member's
direction θ the departures of both add up to (φ - θ)², or (2 sin ½(φ - θ))² to be exact: the
likelihood is von Mises's with the concentration 1 / σ², and that of a normal error where σ is small
against a radian. Means of members and increments are those of vectors, so that every method takes a
direction, whatever it does with departures.

Source: Mardia & Jupp (2000), Directional Statistics, section 3.5.4.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Key

from dabench.filters.base import Filter, Info, Problem
from dabench.observe.network import Network, Observation
from dabench.observe.withheld import moments


def as_vectors(make: Callable[[Problem], Filter], problem: Problem) -> Filter:
    """The filter of a problem, which is given unit vectors where directions are observed.

    Its diagnostics are of the directions. Where none is observed nothing changes.

    Arguments:
        make: Factory of the filter.
        problem: Problem with the network as it is.
    """
    network = problem.network
    if not network.circular.any():
        return make(problem)
    method = make(problem._replace(network=with_vectors(network)))

    def step(key: Key[Array, ""], carry: Any, obs: Observation) -> tuple[Any, Info]:
        vectors = obs._replace(y=to_vectors(network, obs.y), present=_twice(network, obs.present))
        carry, info = method.step(key, carry, vectors)
        return carry, as_observed(network, info)

    return method._replace(step=step)


def with_vectors(network: Network) -> Network:
    """The network with the sine of each direction in its place, and the cosines at the end."""
    std = np.where(network.circular, np.radians(network.error_std), network.error_std)
    present = network.present or (lambda _: np.ones(network.size, bool))
    return replace(
        network,
        h=lambda x: to_vectors(network, network.h(x)),
        error_std=_twice(network, std),
        table=_table(network, std),
        present=lambda cycle: _twice(network, present(cycle)),
        limit=None,
        calm=None,
    )


def to_vectors(network: Network, y: Float[Array, "obs"]) -> Float[Array, "longer_obs"]:
    """Values of observations, with sines and cosines for directions."""
    angle = jnp.radians(y)
    sines = jnp.where(jnp.asarray(network.circular), jnp.sin(angle), y)
    return jnp.concatenate([sines, jnp.cos(angle[network.circular])])


def as_observed(network: Network, info: Info) -> Info:
    """Diagnostics whose moments in observation space are those of directions.

    Where a method does not say how its background is spread in state space, the variance is left
    out, which cannot be had from that of vectors.
    """
    if "background" in info:
        mean, var = moments(jax.vmap(network.h)(info["background"]), network)
        return info | Info(background_obs=mean, background_var=var)
    after = Info(**{k: v for k, v in info.items() if k != "background_var"})  # type: ignore[typeddict-item]
    if "background_obs" in info:
        sines, cosines = jnp.split(info["background_obs"], [network.size])
        where = np.flatnonzero(network.circular)
        angle = jnp.degrees(jnp.arctan2(sines[where], cosines)) % 360
        after["background_obs"] = sines.at[where].set(angle)
    return after


def _twice(network: Network, values: Any) -> Any:
    """Values of observations, those of directions once more at the end."""
    if values is None:
        return None
    concatenate = jnp.concatenate if isinstance(values, jax.Array) else np.concatenate
    return concatenate([values, values[network.circular]])


def _table(network: Network, std: Float[np.ndarray, "obs"]) -> pd.DataFrame:
    """The table of the network with vectors."""
    table, circular = network.table.assign(error_std=std), network.circular
    sines = table["variable"].where(~circular, table["variable"] + "_sine")
    cosines = table[circular].assign(variable=lambda rows: rows["variable"] + "_cosine")
    longer = pd.concat([table.assign(variable=sines), cosines], ignore_index=True)
    is_vector = longer["variable"].str.endswith(("_sine", "_cosine"))
    return longer.assign(units=longer["units"].where(~is_vector, "1"))
