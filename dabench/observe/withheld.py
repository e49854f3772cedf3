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


def moments(hx: Float[Array, "member obs"], network: Network | None = None) -> Moments:
    """Mean and variance (ddof = 1, or 0 for a single member) of h(x).

    The mean of angles is the angle of the mean of their unit vectors, and departures are the
    shorter way round.

    Arguments:
        network: Network that says which observations are angles; None: none are.
    """
    hx, ddof = hx.astype(wide()), min(1, len(hx) - 1)
    mean, var = hx.mean(0), jnp.var(hx, 0, ddof=ddof)
    if network is None or not network.circular.any():
        return Moments(mean, var)
    angle = jnp.radians(hx)
    centre = jnp.degrees(jnp.arctan2(jnp.sin(angle).mean(0), jnp.cos(angle).mean(0))) % 360
    squares = (network.departure(hx, centre[None]) ** 2).sum(0) / (len(hx) - ddof)
    circular = jnp.asarray(network.circular)
    return Moments(jnp.where(circular, centre, mean), jnp.where(circular, squares, var))


@partial(jax.jit, static_argnums=(0, 2))
def at(withheld: Network, x: Members, name: str) -> dict[str, Array]:
    """Mean and variance of h(x) at the withheld observations, as `<name>_obs` and `<name>_var`."""
    mean, var = moments(jax.vmap(withheld.h)(x), withheld)
    return {f"{name}_obs": mean, f"{name}_var": var}
