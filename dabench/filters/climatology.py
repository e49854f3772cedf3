"""Draws from the climate: what the observations must add to."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from dabench.errors import UserError
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import background
from dabench.observe import Observation
from dabench.systems.base import Members


def states(problem: Problem) -> Array:
    """The system's states of the climate; UserError if there are none to speak of."""
    if len(problem.climate) < 2:
        raise UserError(
            "this method needs states of the climate, and the system has none; "
            "where it takes one, the setting system.climate makes some"
        )
    return jnp.asarray(problem.climate)


def draw(key: Key[Array, ""], climate: Array, n: int) -> Members:
    """n states of the climate, none of them twice while there are enough."""
    return jax.random.choice(key, jnp.asarray(climate), (n,), replace=n > len(climate))


def climatology(problem: Problem) -> Filter:
    """A reference row: in every cycle other states of the climate, whatever was observed."""
    climate = states(problem)

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        _, key = split_key(key, len(carry.x))
        x = draw(key, climate, len(carry.x)).astype(carry.x.dtype)
        return Ensemble(x), background(jax.vmap(problem.network.h)(x), x)

    return Filter(Ensemble, step)
