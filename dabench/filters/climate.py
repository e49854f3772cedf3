"""States of the system's climate, as a method may use them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from dabench.core.errors import UserError
from dabench.core.types import Members
from dabench.filters.base import Problem


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
