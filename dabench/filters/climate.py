"""States of the system's climate, as a method may use them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from dabench.core.errors import UserError
from dabench.core.types import Members
from dabench.filters.base import Problem


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
