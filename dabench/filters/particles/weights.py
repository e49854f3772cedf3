"""Importance weights in logarithms and float64, and their tempering."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.core.precision import wide
from dabench.observe.network import Network

LogWeights = Float[Array, "member"]


def log_likelihood(
    hx: Float[Array, "member obs"], y: Float[Array, "obs"], network: Network
) -> LogWeights:
    """log N(y; h(x), R) of every member, up to a constant."""
    std = jnp.asarray(network.error_std, wide())[None]
    return -0.5 * (((y[None] - hx).astype(wide()) / std) ** 2).sum(-1)


def normalise(log_w: LogWeights) -> LogWeights:
    """Logarithms of weights that sum to one.

    NaN counts as weight zero; if all weights are zero, all members get the same weight.
    """
    log_w = jnp.where(jnp.isnan(log_w), -jnp.inf, log_w.astype(wide()))
    log_w = jnp.where(jnp.all(log_w == -jnp.inf), 0, log_w)
    return log_w - jax.nn.logsumexp(log_w)


def ess(log_w: LogWeights) -> Float[Array, ""]:
    """Effective sample size 1 / Σ w² of normalised log-weights."""
    return jnp.exp(-jax.nn.logsumexp(2 * log_w))


def temper(log_w: LogWeights, low: float, high: float, halvings: int = 200) -> Float[Array, ""]:
    """Exponent alpha <= 1 for which w^alpha has an effective sample size in [low, high].

    It is 1 if that gives at least `low`; else bisection ends at the first exponent inside the
    window (or after `halvings`). The ESS falls as alpha rises from 0, where it is n.

    Source: Savary, Rozet & Louppe (2025), arXiv:2509.18811.
    """

    def size(alpha: Array) -> Array:
        return ess(normalise(jnp.where(log_w == -jnp.inf, log_w, alpha * log_w)))

    def searching(state: tuple[Array, Array, Array]) -> Array:
        below, above, count = state
        n = size((below + above) / 2)
        return (count < halvings) & ((n < low) | (n > high))

    def halve(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        below, above, count = state
        middle = (below + above) / 2
        enough = size(middle) > high
        return jnp.where(enough, middle, below), jnp.where(enough, above, middle), count + 1

    log_w = normalise(log_w)
    zero, one = jnp.zeros((), wide()), jnp.ones((), wide())
    below, above, _ = jax.lax.while_loop(searching, halve, (zero, one, jnp.zeros((), jnp.int32)))
    return jnp.where(size(one) >= low, one, (below + above) / 2)
