"""The ensemble in observation space, above all at observations that are withheld from methods."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.observe.network import Network


class Moments(NamedTuple):
    """Ensemble mean and variance in observation space, float64, in units of y (squared)."""

    mean: Float[Array, "obs"]
    var: Float[Array, "obs"]


def moments(hx: Float[Array, "member obs"]) -> Moments:
    """Mean and variance (ddof = 1, or 0 for a single member) of h(x)."""
    hx = hx.astype(wide())
    return Moments(hx.mean(0), jnp.var(hx, 0, ddof=min(1, len(hx) - 1)))


@partial(jax.jit, static_argnums=(0, 2))
def at(withheld: Network, x: Members, name: str) -> dict[str, Array]:
    """Mean and variance of h(x) at the withheld observations, as `<name>_obs` and `<name>_var`."""
    mean, var = moments(jax.vmap(withheld.h)(x))
    return {f"{name}_obs": mean, f"{name}_var": var}
