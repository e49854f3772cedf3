"""Moments of an ensemble in observation space, for observations that no method is given."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.observe.network import Network


@partial(jax.jit, static_argnums=(0, 2))
def at(withheld: Network, x: Members, name: str) -> dict[str, Array]:
    """Mean and variance of h(x) at what is withheld, as `<name>_obs` and `<name>_var`."""
    return moments(jax.vmap(withheld.h)(x), name)


def moments(hx: Float[Array, "member obs"], name: str) -> dict[str, Array]:
    """Mean and variance of h(x), as `<name>_obs` and `<name>_var`."""
    hx = hx.astype(wide())
    return {
        f"{name}_obs": hx.mean(0),
        f"{name}_var": jnp.var(hx, 0, ddof=min(1, len(hx) - 1)),
    }
