"""Importance weights in logarithms and float64, and their tempering."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt, Le, Lt
from jaxtyping import Array, Float, Int

from dabench.core.bounds import Times
from dabench.core.precision import wide
from dabench.observe.network import Network, Observation

LogWeights = Float[Array, "member"]


def log_likelihood(
    hx: Float[Array, "member obs"], obs: Observation, network: Network
) -> LogWeights:
    """log N(y; h(x), R) of every member, up to a constant."""
    std = jnp.asarray(network.error_std, wide())[None]
    return -0.5 * (obs.masked((obs.y[None] - hx).astype(wide()) / std) ** 2).sum(-1)


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


@dataclass(frozen=True)
class AlphaSearch:
    """How alpha is found by bisection: the first that leaves an effective sample size in a window.

    Arguments:
        start: First alpha that is tried; null: the middle of the bracket.
        low: Lower end of the bracket, whose upper end is 1.
        halvings: Most halvings of the bracket.
        one_first: Whether alpha is 1 wherever that leaves the window's lower end, so that nothing
            is tempered without need; the authors' program never asks, and tempers a little there.
    """

    start: Annotated[float, Gt(0), Le(1)] | None = None
    low: Annotated[float, Ge(0), Lt(1)] = 0.0
    halvings: Times = 200
    one_first: bool = True


SEARCH = AlphaSearch()


def temper(
    log_w: LogWeights, low: float, high: float, search: AlphaSearch = SEARCH
) -> Float[Array, ""]:
    """An exponent alpha <= 1 whose w^alpha has an effective sample size in [low, high].

    1 if that leaves at least `low`; else found by bisection. The effective sample size falls as
    alpha rises from 0, where it is the number of members.

    Arguments:
        log_w: Log-weights at alpha = 1, up to a constant.
        low, high: Window of the effective sample size.
        search: Where the search starts and ends.
    Source: Savary, Rozet & Louppe (2025), arXiv:2509.18811.
    """

    def size(alpha: Array) -> Array:
        return ess(normalise(jnp.where(log_w == -jnp.inf, log_w, alpha * log_w)))

    def searching(state: _Bracket) -> Array:
        n = size(state.alpha)
        return (state.count < search.halvings) & ((n < low) | (n > high))

    def halve(state: _Bracket) -> _Bracket:
        enough = size(state.alpha) > high
        below = jnp.where(enough, state.alpha, state.below)
        above = jnp.where(enough, state.above, state.alpha)
        return _Bracket((below + above) / 2, below, above, state.count + 1)

    log_w = normalise(log_w)
    below, one = jnp.full((), search.low, wide()), jnp.ones((), wide())
    start = (below + one) / 2 if search.start is None else jnp.full((), search.start, wide())
    bracket = _Bracket(start, below, one, jnp.zeros((), jnp.int32))
    alpha = jax.lax.while_loop(searching, halve, bracket).alpha
    return jnp.where(size(one) >= low, one, alpha) if search.one_first else alpha


class _Bracket(NamedTuple):
    alpha: Float[Array, ""]
    below: Float[Array, ""]
    above: Float[Array, ""]
    count: Int[Array, ""]
