"""The bootstrap particle filter: forecast, weigh by the likelihood, resample."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from dabench.core import devices
from dabench.core.bounds import NotNegative, Positive
from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast
from dabench.filters.particles.resample import Scheme, resample
from dabench.filters.particles.weights import ess, log_likelihood, normalise
from dabench.observe.network import Observation

SEARCH_SPACE = {
    "threshold": "0.1..1",
    "jitter": "0..1",
}
"""Settings that `dabench tune` searches."""


class Particles(NamedTuple):
    """Weighted particles, and x: equally weighted draws from them, which are archived.

    The two are the same in every cycle that resamples.
    """

    x: Members
    particles: Members
    log_weights: Float[Array, "member"]


def bootstrap(
    problem: Problem,
    *,
    threshold: Positive = 1.0,
    jitter: NotNegative = 0.0,
    resampling: Scheme = "systematic",
    sampler: Sampler | None = None,
) -> Filter:
    """Particles are forecast by the model and weighted by y; an informative y leaves few.

    Arguments:
        threshold: Resample when the effective sample size is below this fraction of the members.
        jitter: Bandwidth, over n^(-1/(state + 4)), of the Gaussian noise that is added to resampled
            duplicates (a regularised filter); a deterministic model needs it. 0: none.
        resampling: How ancestors are drawn.
        sampler: Sampler of the forecast; None is the model's own.
    Source: Gordon, Salmond & Smith (1993), IEE Proc. F 140, 107; Musso, Oudjane & Le Gland (2001).
    """

    def init(x: Members) -> Particles:
        return Particles(x, x, normalise(jnp.zeros(len(x), wide())))

    def step(key: Key[Array, ""], carry: Particles, obs: Observation) -> tuple[Particles, Info]:
        n = len(carry.x)
        keys, key = split_key(key, n)
        key_resample, key_jitter = jax.random.split(key)
        x, info = forecast(problem, keys, carry.particles, obs.time, sampler)

        hx = devices.share(jax.vmap(problem.network.h), x)
        log_likely = devices.gather(log_likelihood(hx, obs, problem.network))
        log_w = normalise(carry.log_weights + log_likely)
        ancestor = resample(resampling, key_resample, jnp.exp(log_w))
        x_next = drawn = devices.take(x, ancestor)
        if jitter:
            x_next = x_next + spread_duplicates(key_jitter, x, log_w, ancestor, jitter)

        due = ess(log_w) < threshold * n
        info |= background(hx, x)
        info |= {"ess": ess(log_w), "log_weights": log_w}
        info["ancestor"] = jnp.where(due, ancestor, jnp.arange(n))
        carry = Particles(
            x=jnp.where(due, x_next, drawn),
            particles=jnp.where(due, x_next, x),
            log_weights=jnp.where(due, init(x).log_weights, log_w),
        )
        return carry, info

    return Filter(init, step)


def spread_duplicates(
    key: Key[Array, ""],
    x: Members,
    log_w: Float[Array, "member"],
    ancestor: Int[Array, "member"],
    jitter: float,
) -> Members:
    """Noise for members that share an ancestor, with the shape of the weighted covariance.

    Arguments:
        x: Members before resampling.
        log_w: Their log-weights; taken as equal where they have collapsed on one member.
        ancestor: Ancestor of every resampled member.
    """
    n, size = x.shape
    w = jnp.exp(log_w)
    w = jnp.where(1 - w.max() < 1e-10, 1 / n, w)
    departures = x - (w @ x)[None].astype(x.dtype)
    scale = jitter * n ** (-1 / (size + 4)) * jnp.sqrt(w / (1 - w @ w))
    root = departures * scale.astype(x.dtype)[:, None]
    if n > 2 * size:
        root = _factor(root.T @ root)
    white = jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i), (len(root),), x.dtype))
    offspring = jnp.zeros(n, jnp.int32).at[ancestor].add(1)[ancestor]
    return jnp.where((offspring > 1)[:, None], white(jnp.arange(n)) @ root, 0)


def _factor(cov: Float[Array, "state state"]) -> Float[Array, "state state"]:
    """A root with rootᵀ root = cov; cov may be singular."""
    lam, U = jnp.linalg.eigh(cov)
    return jnp.sqrt(jnp.maximum(lam, 0))[:, None] * U.T
