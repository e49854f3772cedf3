"""Sample moments, and observations in units of their errors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.observe import Network
from dabench.systems.base import Members


def wide() -> jnp.dtype:
    """float64 where it is enabled."""
    return jax.dtypes.canonicalize_dtype(jnp.float64)


def mean(x: Float[Array, "member *rest"]) -> Float[Array, "*rest"]:
    """Over members, in float64."""
    return x.mean(0, dtype=wide())


def anomalies(x: Float[Array, "member *rest"]) -> Float[Array, "member *rest"]:
    """Departures from the mean, in the type of x."""
    return (x - mean(x)[None]).astype(x.dtype)


class Scaled(NamedTuple):
    """The ensemble in observation space, divided by error_std √(n - 1), in float64.

    Arguments:
        S: Departures of h(x) from their mean.
        d: Departure of y from that mean.
        hx: h(x), not scaled.
        scale: 1 / (error_std √(n - 1)).
    """

    S: Float[Array, "member obs"]
    d: Float[Array, "obs"]
    hx: Float[Array, "member obs"]
    scale: Float[Array, "obs"]


def scaled(x: Members, y: Float[Array, "obs"], network: Network) -> Scaled:
    """An ensemble seen by a network; a single member has no departures."""
    hx = jax.vmap(network.h)(x).astype(wide())
    centre = hx.mean(0)
    scale = jnp.asarray(1 / (network.error_std * np.sqrt(max(len(x) - 1, 1))), wide())
    return Scaled((hx - centre[None]) * scale[None], (y - centre) * scale, hx, scale)
