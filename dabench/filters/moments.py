"""Sample moments, and observations in units of their errors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.filters.base import Info
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


def scaled(x: Members, y: Float[Array, "obs"], network: Network) -> tuple[Scaled, Info]:
    """An ensemble seen by a network, with the diagnostics that every filter reports of it."""
    hx = jax.vmap(network.h)(x).astype(wide())
    centre, n = hx.mean(0), len(x)
    scale = 1 / (jnp.asarray(network.error_std, wide()) * jnp.sqrt(jnp.asarray(n - 1, wide())))
    departures = hx - centre[None]
    variance = (departures**2).sum(0) / (n - 1)
    info = {"background_obs": centre, "background_var": variance}
    return Scaled(departures * scale[None], (y - centre) * scale, hx, scale), info
