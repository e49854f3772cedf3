"""The fully adapted auxiliary particle filter: choose ancestors by y, then draw given y."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from dabench.core import devices
from dabench.core.bounds import Positive, Times
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.core.types import Members, Time
from dabench.diffusion import draw
from dabench.diffusion.batches import batch_by_batch
from dabench.diffusion.evidence import log_evidence
from dabench.diffusion.guidance import DENSE_LIMIT, Condition, GuidanceSettings
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import condition_on, diffusion_model
from dabench.filters.particles.resample import Scheme, resample
from dabench.filters.particles.weights import SEARCH, AlphaSearch, log_likelihood, normalise, temper
from dabench.filters.particles.weights import ess as effective_sample_size
from dabench.observe.network import Network, Observation

DEFAULT = GuidanceSettings()
SEARCH_SPACE = {
    "ess": "[0.3, 0.6], [0.5, 0.9], [0.8, 0.95], [0.9, 1]",
    "guidance.iterations": "1..6 whole",
    "guidance.sigma_guide": "1..80 log",
}
"""Settings that `dabench tune` searches."""


def fa_apf(
    problem: Problem,
    *,
    ess: tuple[Positive, Positive] | None = (0.5, 0.9),
    weight: Literal["dirac", "gaussian"] = "dirac",
    rank: Times | None = None,
    alpha: AlphaSearch = SEARCH,
    first_weights: bool = True,
    resampling: Scheme = "systematic",
    guidance: GuidanceSettings = DEFAULT,
    sampler: Sampler | None = None,
) -> Filter:
    """Weights w ~ p(y | x)^alpha, ancestors ~ w, then x' ~ p(x' | x, y): equally weighted draws.

    Arguments:
        ess: Window of the effective sample size that alpha is chosen for, as numbers of members or,
            up to 1, as fractions of them; null: alpha = 1. The paper has 60 to 70 of 256.
        alpha: How alpha is searched for.
        first_weights: Whether there are weights where all members are one state, as in the first
            cycle from copies of the truth: they tell apart the noise of the look-ahead alone. False
            saves the members that this costs, as the authors do.
        weight: How p(y | x) is had from the denoised mean mu of x': `dirac`, N(y; h(mu), R), as in
            the paper; or `gaussian`, N(y; h(mu), R + H Cov[x' | x] Hᵀ), exact where the model is
            Gaussian.
        rank: Number of directions in which H Cov[x' | x] Hᵀ of the `gaussian` weight is had, for
            two products each; in the others the forecast counts as certain. null: all, one product
            an observation, for up to 2000 observations.
        resampling: How ancestors are drawn.
        guidance: How draws are conditioned on y.
        sampler: Sampler of the draws; null is the model's own.
    Source: Savary, Rozet & Louppe (2025), arXiv:2509.18811; Pitt & Shephard (1999).
    """
    model, network = diffusion_model(problem.model), problem.network
    sampler = sampler or model.sampler
    template = condition_on(problem, guidance)
    look_ahead = _look_ahead(weight, rank)(problem, model, sampler)
    look_products = look_ahead_products(network, weight, rank)
    window = window_of(ess)

    def step(key: Key[Array, ""], ens: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        n, condition = len(ens.x), template._replace(y=obs.y, present=obs.present)
        draw_keys, look_keys, resample_key = _split(key, n)
        context = draw.contexts(model, ens.x, obs.time, problem.batch)

        # w_i ~ p(y | x_i)^alpha
        start = draw.Start(look_keys, ens.x, context)
        log_p, hx = devices.share(lambda start: look_ahead(start, obs.time, condition), start)
        log_p = devices.gather(log_p)
        if not first_weights:
            log_p = jnp.where(_all_alike(ens.x), 0, log_p)
        exponent = temper(log_p, *window(n), alpha) if window else jnp.ones((), wide())
        log_w = normalise(exponent * log_p)

        # a_i ~ w
        ancestor = resample(resampling, resample_key, jnp.exp(log_w))
        x, context = devices.take((ens.x, context), ancestor)

        # x'_i ~ p(x' | x_{a_i}, y)
        x_next, counts = draw.members(
            draw_keys, model, x, obs.time, sampler, problem.batch, condition, context
        )
        info = Info(**counts)
        info["evaluations"] = counts["evaluations"] + 1
        info["products"] = counts["products"] + look_products
        info |= {"ess": effective_sample_size(log_w), "alpha": exponent, "log_weights": log_w}
        info |= {"ancestor": ancestor, "background_obs": hx.mean(0, dtype=wide())}
        return Ensemble(x_next), info

    return Filter(Ensemble, step, least_members(ess))


def _all_alike(x: Members) -> Bool[Array, ""]:
    return (x == x[:1]).all()


class StepKeys(NamedTuple):
    """The random keys of one step: of the draws, of the look-ahead's noise, of resampling."""

    draw: Key[Array, "member"]
    look: Key[Array, "member"]
    resample: Key[Array, ""]


def _split(key: Key[Array, ""], n: int) -> StepKeys:
    draw_keys, analysis = split_key(key, n)
    look, resample_key = jax.random.split(analysis)
    return StepKeys(draw_keys, split_key(look, n)[0], resample_key)


LookAhead = Callable[
    [draw.Start, Time, Condition], tuple[Float[Array, "member"], Float[Array, "member obs"]]
]
"""(members, time, condition) -> (log p(y | x) up to a constant, h of the mean of x')."""


def _look_ahead(
    weight: str, rank: int | None
) -> Callable[[Problem, DiffusionModel, Sampler], LookAhead]:
    """The maker of one kind of weight; UserError for a rank that it has no use for."""
    if weight == "gaussian":
        return partial(gaussian, rank=rank)
    if rank is not None:
        raise UserError(f"filter.rank: {rank} is of weight: gaussian; leave it out, or set that")
    return dirac


def dirac(problem: Problem, model: DiffusionModel, sampler: Sampler) -> LookAhead:
    """p(y | x) ~ N(y; h(mu), R), as if the forecast had no spread (the paper's equation 7)."""
    network = problem.network

    def look_ahead(start: draw.Start, time: Time, condition: Condition):
        z = draw.expected_target(start, model, time, sampler, problem.batch)
        hx = jax.vmap(network.h)(model.next_state(z, start.x))
        return log_likelihood(hx, Observation(time, condition.y, condition.present), network), hx

    return look_ahead


def gaussian(
    problem: Problem, model: DiffusionModel, sampler: Sampler, rank: int | None = None
) -> LookAhead:
    """p(y | x) ~ N(y; h(mu), R + H V Hᵀ), V = Cov[target | pure noise] by Tweedie's formula."""
    if rank is None:
        _fits_dense(problem.network)

    def look_ahead(start: draw.Start, time: Time, condition: Condition):
        sigma = jnp.asarray(sampler.sigma_max, start.x.dtype)
        denoise = model.denoiser(sigma)

        def one_batch(start: draw.Start):
            z = sigma * jax.vmap(model.noise)(start.key)
            context = draw.context_of(model, start, time)
            log_p, D = log_evidence(
                model, condition, lambda z: denoise(z, context), sigma, z, start.x, rank
            )
            return log_p, jax.vmap(problem.network.h)(model.next_state(D, start.x))

        return batch_by_batch(one_batch, start, problem.batch)

    return look_ahead


def _fits_dense(network: Network) -> None:
    if network.size > DENSE_LIMIT:
        raise UserError(
            f"weight: gaussian takes up to {DENSE_LIMIT} observations without a rank and this "
            f"scenario has {network.size}; set rank: 64, say, or use weight: dirac"
        )


def look_ahead_products(network: Network, weight: str, rank: int | None) -> int:
    """Jacobian products of one look-ahead."""
    if weight == "dirac":
        return 0
    return network.size if rank is None or rank >= network.size else 2 * rank


def window_of(ess: tuple[float, float] | None) -> Callable[[int], tuple[float, float]] | None:
    """The window of the effective sample size in members, for a number of members."""
    if ess is None:
        return None
    low, high = ess
    if low > high or (low <= 1) != (high <= 1):
        raise UserError(
            f"filter.ess: [{low:g}, {high:g}] is no window; it takes [low, high], low <= high, "
            "both as fractions of the members (up to 1) or both as numbers of members"
        )
    return lambda n: (low * n, high * n) if high <= 1 else (min(low, n), min(high, n))


def least_members(ess: tuple[float, float] | None) -> int:
    """More members than the lower end of a window in members: fewer would leave no weights."""
    return 1 if ess is None or ess[1] <= 1 else int(ess[0]) + 1
