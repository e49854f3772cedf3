"""The ensemble score filter: a diffusion to the posterior, whose score the members estimate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jaxtyping import Array, Float, Key

from dabench.core.bounds import Positive, Times
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Limits, Problem, split_key
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.inflation import relax_to_prior_spread
from dabench.filters.local.moments import mean
from dabench.observe.network import Network, Observation

Map = Callable[[Float[Array, "member state"]], Float[Array, "member state"]]
EPSILON = 0.05  # alpha at pseudo-time 1, which the authors' program keeps above zero
SEARCH_SPACE = {
    "integration.pairs": "own,all",
    "integration.steps": "200,500,1000",
    "rtps": "0..1.5",
}
"""Settings that `dabench tune` searches."""


@dataclass(frozen=True)
class Integration:
    """How the reverse diffusion is integrated, from pseudo-time 1 to 0.

    Arguments:
        steps: Number of Euler-Maruyama steps; where observations are accurate, of the order of the
            prior's variance over theirs, or the integration is unstable.
        stop_after: Number of steps after which to stop, before pseudo-time 0; null: all of them.
        settled: Change of the members' mean in a step, in standard deviations of the prior, below
            which to stop; null: never.
        last: The end: one evaluation of E[x | z] from the score (`mean`), or the last step, noise
            included (`step`).
        pairs: Whether the prior's score at a member is that of its `own` forecast alone, or of
            `all` forecasts, by weights that degenerate in many dimensions.
    """

    steps: Annotated[int, Ge(2), Le(1_000_000)] = 200
    stop_after: Times | None = None
    settled: Positive | None = None
    last: Literal["mean", "step"] = "mean"
    pairs: Literal["own", "all"] = "all"


DEFAULT = Integration()


def ensf(
    problem: Problem,
    *,
    integration: Integration = DEFAULT,
    floor: Positive = 1e-6,
    rtps: Annotated[float, Ge(0), Le(1.5)] = 1.0,
    sampler: Sampler | None = None,
) -> Filter:
    r"""Draws from N(0, I) to the posterior, by a score that the forecast members estimate.

        z = α x + β e      α = 1 - (1 - ε) t,  β² = t
        score(z, t) = -(z - α x̂(z)) / β² + (1 - t) ∇ log p(y | z)

    for states in units of the prior's standard deviation around its mean; x̂ is a member's own
    forecast, or the average of all by the likelihood of z. With `pairs: own`, variables that are
    not observed do not move. The authors' program for quasi-geostrophic flow has `pairs: own`,
    `steps: 1000`, `stop_after: 500`, `settled: 0.005`, `last: step` and `rtps: 1`. It is not
    Kalman's posterior even where all is linear and Gaussian: the likelihood is damped by guess.

    Arguments:
        integration: How the diffusion is integrated, and the shortcuts of the authors' program.
        floor: Smallest standard deviation to divide by, as a share of the largest of the state.
        rtps: Share of the way back to the prior's spread; 1 resets it.
        sampler: Sampler of the forecast; null is the model's own.
    Source: Bao, Zhang & Zhang (2024), CMAME 432, 117447, arXiv:2309.00983; Bao, Chipilski, Liang,
        Zhang & Whitaker (2024), arXiv:2404.00844.
    """
    network = problem.network

    def step(key: Key[Array, ""], ens: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        keys, key = split_key(key, len(ens.x))
        prior, info = forecast(problem, keys, ens.x, obs.time, sampler)
        centre, std = mean(prior).astype(prior.dtype), prior.std(0, ddof=1)
        std = jnp.maximum(std, jnp.maximum(floor * std.max(), jnp.finfo(std.dtype).tiny))

        def grad_log_p(z: Members) -> Members:
            return std[None] * likelihood_gradient(network, centre[None] + std[None] * z, obs)

        def noise(k: Array) -> Members:
            return jax.random.normal(jax.random.fold_in(key, k), prior.shape, prior.dtype)

        z = reverse((prior - centre[None]) / std[None], grad_log_p, noise, integration)
        x = relax_to_prior_spread(centre[None] + std[None] * z, prior, rtps)
        return Ensemble(x), info | background(observed(network, prior), prior)

    # A damped likelihood has the wrong variance: an RMSE of 1.1 times the exact one was measured.
    return Filter(Ensemble, step, least=2, limits=Limits(kalman=1.5))


def likelihood_gradient(network: Network, x: Members, obs: Observation) -> Members:
    """∇ log N(y; h(x), R) of every member."""
    precision = jnp.asarray(1 / network.var, x.dtype)

    def gradient(x: Float[Array, "state"]) -> Float[Array, "state"]:
        hx, back = jax.vjp(network.h, x)
        return back(obs.masked(precision * (obs.y - hx)))[0]

    return jax.vmap(gradient)(x)


def reverse(
    x: Members, grad_log_p: Map, noise: Callable[[Array], Members], how: Integration
) -> Members:
    """Members of the posterior, in units of the prior.

    Arguments:
        x: Forecast members, in units of the prior.
        grad_log_p: z -> ∇ log p(y | z).
        noise: Number of a step -> its standard normal noise; -1 for the start.
    """
    dt, last = 1 / how.steps, how.steps - (how.last == "mean")
    last = last if how.stop_after is None else min(last, how.stop_after)

    def score(z: Members, t: Array) -> Members:
        pull = (z - alpha(t) * expected(z, x, t, how.pairs)) / t
        return (1 - t) * grad_log_p(z) - pull

    def step(state: tuple[Array, Members, Array]) -> tuple[Array, Members, Array]:
        k, z, _ = state
        t = (1 - k * dt).astype(z.dtype)
        f = -(1 - EPSILON) / alpha(t)
        g2 = 1 - 2 * f * t
        after = z - dt * (f * z - g2 * score(z, t)) + jnp.sqrt(g2 * dt) * noise(k)
        change = jnp.sqrt(((after.mean(0) - z.mean(0)) ** 2).mean())
        return k + 1, after, change

    def goes_on(state: tuple[Array, Members, Array]) -> Array:
        k, _, change = state
        return (k < last) & (change > (how.settled or -1.0))

    start = jnp.zeros((), int), noise(jnp.asarray(-1)), jnp.asarray(np.inf, x.dtype)
    k, z, _ = jax.lax.while_loop(goes_on, step, start)
    if how.last == "step":
        return z
    t = (1 - k * dt).astype(z.dtype)
    return (z + t * score(z, t)) / alpha(t)


def alpha(t: Array) -> Array:
    """Share of a state that is left at pseudo-time t."""
    return 1 - (1 - EPSILON) * t


def expected(z: Members, x: Members, t: Array, pairs: Literal["own", "all"]) -> Members:
    """E[x | z] if x is one of the forecast members: each one's own, or any."""
    if pairs == "own":
        return x
    away = z[:, None] - alpha(t) * x[None]
    return jax.nn.softmax(-0.5 * (away**2).sum(-1) / t, axis=1) @ x
