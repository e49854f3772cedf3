"""Sample moments, and observations in units of their errors."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.core.precision import wide
from dabench.observe.network import Network, Observation


def mean(x: Float[Array, "member *rest"]) -> Float[Array, "*rest"]:
    """Ensemble mean in float64."""
    return x.mean(0, dtype=wide())


def anomalies(x: Float[Array, "member *rest"]) -> Float[Array, "member *rest"]:
    """Departures of members from their mean, in the type of x."""
    return (x - mean(x)[None]).astype(x.dtype)


class Scaled(NamedTuple):
    """The ensemble in observation space, divided by error_std √(n - 1), in float64.

    Arguments:
        S: Departures of h(x) from their mean.
        d: Departure of y from that mean.
        scale: 1 / (error_std √(n - 1)).
    """

    S: Float[Array, "member obs"]
    d: Float[Array, "obs"]
    scale: Float[Array, "obs"]


def scaled(hx: Float[Array, "member obs"], obs: Observation, network: Network) -> Scaled:
    """Departures of h(x) and y for h(x) in float64; a single member has no departures.

    All three are zero for observations that are missing.
    """
    centre = hx.mean(0)
    scale = jnp.asarray(1 / (network.error_std * np.sqrt(max(len(hx) - 1, 1))), wide())
    scale = obs.masked(scale)
    return Scaled((hx - centre[None]) * scale[None], obs.masked((obs.y - centre) * scale), scale)


def with_error_variances(network: Network, factor: float) -> Network:
    """The network with R times a factor, as an analysis may assume it."""
    return replace(network, error_std=network.error_std * np.sqrt(factor))


def perturbations(key: Key[Array, ""], n: int, size: int) -> Float[Array, "n size"]:
    """Standard normal draws in float64, with their sample mean removed."""
    white = jax.random.normal(key, (n, size), wide())
    return white - white.mean(0, keepdims=True)
