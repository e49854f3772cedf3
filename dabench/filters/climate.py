"""States of the system's climate and forecasts from them, as a method may use them."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.core.errors import UserError
from dabench.core.types import Members
from dabench.filters.base import Problem
from dabench.filters.forecast import forecast


def states(problem: Problem) -> Array:
    """States of the system's climate; UserError if there are fewer than two."""
    if len(problem.climate) < 2:
        raise UserError(
            "this method needs states of the climate, and the system has "
            f"{len(problem.climate)}; systems with the setting system.climate can make some"
        )
    return jnp.asarray(problem.climate)


def draw(key: Key[Array, ""], climate: Array, n: int) -> Members:
    """n states of the climate, drawn without replacement if there are enough."""
    return jax.random.choice(key, jnp.asarray(climate), (n,), replace=n > len(climate))


def draws_around(
    problem: Problem, count: int, draws: int
) -> Float[Array, "draw climate_state state"]:
    """Some draws of x' from each of some states x of the climate, evenly spaced among them.

    Arguments:
        count: Number of states; fewer where the climate has fewer.
        draws: Number of draws from each.
    """
    climate = states(problem)
    x = climate[np.linspace(0, len(climate) - 1, min(count, len(climate))).astype(int)]

    @jax.jit
    def draw_once(key: Key[Array, ""], x: Members) -> Members:
        return forecast(problem, jax.random.split(key, len(x)), x, jnp.zeros(()))[0]

    return jnp.stack([draw_once(key, x) for key in jax.random.split(jax.random.key(0), draws)])
