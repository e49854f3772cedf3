"""Resampling schemes: ancestors with the right expected number of offspring, all unbiased."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from dabench.core.precision import wide

Scheme = Literal["systematic", "stratified", "residual", "multinomial"]
Weights = Float[Array, "member"]
Ancestors = Int[Array, "member"]

ROUNDING = 16  # units of rounding by which n w may fall short of a whole number; w is exp(log w)


def resample(scheme: Scheme, key: Key[Array, ""], w: Weights) -> Ancestors:
    """The ancestor of every slot; member j has n w_j offspring on average, and none if w_j = 0.

    Arguments:
        w: Weights that sum to one up to rounding.
    """
    return SCHEMES[scheme](key, w)


def ancestors(w: Weights, positions: Float[Array, "slot"]) -> Int[Array, "slot"]:
    """First j with w_0 + .. + w_j >= position, for positions in [0, 1).

    The sum is taken as exactly 1 from the last positive weight on, and a position of 0 as just
    above it, so that rounding cannot draw a zero weight.
    """
    w = w.astype(wide())
    last = len(w) - 1 - jnp.argmax(w[::-1] > 0)
    cumulative = jnp.where(jnp.arange(len(w)) >= last, 1, jnp.cumsum(w))
    positions = jnp.maximum(positions.astype(w.dtype), jnp.finfo(w.dtype).tiny)
    return jnp.searchsorted(cumulative, positions, side="left")


def systematic(key: Key[Array, ""], w: Weights) -> Ancestors:
    """Ancestors at (u + k) / n with one u: offspring within 1 of n w, equal weights keep all."""
    u = jax.random.uniform(key, (), wide())
    return ancestors(w, (u + jnp.arange(len(w))) / len(w))


def stratified(key: Key[Array, ""], w: Weights) -> Ancestors:
    """Ancestors at (u_k + k) / n with independent u_k."""
    u = jax.random.uniform(key, w.shape, wide())
    return ancestors(w, (u + jnp.arange(len(w))) / len(w))


def multinomial(key: Key[Array, ""], w: Weights) -> Ancestors:
    """Independent draws of ancestors."""
    return ancestors(w, jax.random.uniform(key, w.shape, wide()))


def residual(key: Key[Array, ""], w: Weights) -> Ancestors:
    """At least floor(n w) offspring of each member, the others drawn from the remainder."""
    expected = len(w) * w.astype(wide())
    whole = jnp.floor(expected * (1 + ROUNDING * jnp.finfo(w.dtype).eps))
    rest = jnp.maximum(expected - whole, 0)
    rest = jnp.where(rest.sum() > 0, rest / rest.sum(), 1 / len(w))
    slots = jnp.arange(len(w))
    certain = jnp.searchsorted(jnp.cumsum(whole), slots, side="right")
    return jnp.where(slots < whole.sum(), certain, multinomial(key, rest))


SCHEMES: dict[Scheme, Callable[[Key[Array, ""], Weights], Ancestors]] = {
    "systematic": systematic,
    "stratified": stratified,
    "residual": residual,
    "multinomial": multinomial,
}
