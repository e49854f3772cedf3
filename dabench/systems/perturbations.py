"""How initial members are moved away from one state: `System.perturb` of all our systems."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.core.errors import UserError

State = Float[Array, "state"]
Perturb = Callable[[Key[Array, ""], State, float], State]


def white(key: Key[Array, ""], x: State, amplitude: float) -> State:
    """x with independent noise of standard deviation `amplitude`, in state units."""
    return x + jnp.asarray(amplitude, x.dtype) * jax.random.normal(key, x.shape, x.dtype)


def of_climate(climate: Float[np.ndarray, "draw state"]) -> Perturb:
    """The function that adds a scaled difference of two climate states, drawn by its key.

    The difference of two independent states has √2 the climate's standard deviation, hence the
    factor; all frames of a state get the same pair's, so the perturbation is balanced and moves.
    UserError where it is used with fewer than two states.

    Arguments:
        climate: States of the climate.
    """

    def perturb(key: Key[Array, ""], x: State, amplitude: float) -> State:
        if len(climate) < 2:
            raise UserError(
                "initial.kind: perturbations are differences of climate states; "
                "set system.climate to 2 or more, or start from the truth"
            )
        states = jnp.asarray(climate)
        first, second = jax.random.choice(key, len(states), (2,), replace=False)
        return x + amplitude * (states[first] - states[second]) * 0.5**0.5

    return perturb
