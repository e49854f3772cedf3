"""The fully adapted auxiliary particle filter: choose ancestors by y, then draw given y."""

from collections.abc import Callable
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from annotated_types import Gt
from jaxtyping import Array, Float, Key

from dabench.core import devices
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.diffusion import draw
from dabench.diffusion.guidance import (
    DENSE_LIMIT,
    Condition,
    GuidanceSettings,
    log_evidence,
    preconditioner,
)
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import diffusion_model
from dabench.filters.particles.resample import Scheme, resample
from dabench.filters.particles.weights import ess as effective_size
from dabench.filters.particles.weights import log_likelihood, normalise, temper
from dabench.observe.network import Observation

Size = Annotated[float, Gt(0)]
DEFAULT = GuidanceSettings()


def fa_apf(
    problem: Problem,
    *,
    ess: tuple[Size, Size] | None = (0.5, 0.9),
    weight: Literal["dirac", "gaussian"] = "dirac",
    resampling: Scheme = "systematic",
    guidance: GuidanceSettings = DEFAULT,
    sampler: Sampler | None = None,
) -> Filter:
    """Weights w ~ p(y | x)^alpha, ancestors ~ w, then x' ~ p(x' | x, y): equally weighted draws.

    Arguments:
        ess: Window of the effective sample size that alpha is chosen for, as numbers of members or,
            up to 1, as fractions of them; null: alpha = 1. The paper has 60 to 70 of 256.
        weight: How p(y | x) is had from the denoised mean mu of x': `dirac`, N(y; h(mu), R), as in
            the paper; or `gaussian`, N(y; h(mu), R + H Cov[x' | x] Hᵀ), exact where the model is
            Gaussian, for up to 2000 observations.
        resampling: How ancestors are drawn.
        guidance: How draws are conditioned on y.
        sampler: Of the draws; None is the model's own.
    Source: Savary, Rozet & Louppe (2025), arXiv:2509.18811; Pitt & Shephard (1999).
    """
    model = diffusion_model(problem.model)
    sampler = sampler or model.sampler
    M = preconditioner(
        model, problem.network.h, problem.network.error_std, problem.climate[0], guidance
    )
    look_ahead = {"dirac": dirac, "gaussian": gaussian}[weight](problem, model, sampler, guidance)
    looking = problem.network.size if weight == "gaussian" else 0  # products of `log_evidence`
    window = checked(ess)

    def step(key: Key[Array, ""], ens: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        n = len(ens.x)
        keys, key = split_key(key, n)
        key_look, key_resample = jax.random.split(key)
        condition = draw.conditions(model, ens.x, obs.time, problem.batch)

        looked = draw.Member(split_key(key_look, n)[0], ens.x, condition)
        log_w, hx = devices.share(lambda members: look_ahead(members, obs), looked)
        log_w = devices.gather(log_w)
        alpha = temper(log_w, *window(n)) if window else jnp.ones((), wide())
        log_w = normalise(alpha * log_w)
        ancestor = resample(resampling, key_resample, jnp.exp(log_w))
        x, condition = devices.take((ens.x, condition), ancestor)

        x_next, info = draw.draw(
            keys,
            model,
            x,
            obs.time,
            sampler,
            problem.batch,
            given=Condition(problem.network.h, problem.network.error_std, obs.y, guidance, M),
            condition=condition,
        )
        info |= {"ess": effective_size(log_w), "alpha": alpha, "log_weights": log_w}
        info |= {"ancestor": ancestor, "background_obs": hx.mean(0, dtype=wide())}
        info["evaluations"], info["products"] = info["evaluations"] + 1, info["products"] + looking
        return Ensemble(x_next), info

    return Filter(Ensemble, step, fewest(ess))


LookAhead = Callable[
    [draw.Member, Observation],
    tuple[Float[Array, "member"], Float[Array, "member obs"]],
]
"""(members, y) -> (log p(y | x) up to a constant, h of the mean of x')."""


def dirac(
    problem: Problem, model: DiffusionModel, sampler: Sampler, guidance: GuidanceSettings
) -> LookAhead:
    """p(y | x) ~ N(y; h(mu), R), as if the forecast had no spread (the paper's equation 7)."""

    def look_ahead(members: draw.Member, obs: Observation):
        z = draw.mean(members, model, obs.time, sampler, problem.batch)
        hx = jax.vmap(problem.network.h)(model.next_state(z, members.x))
        return log_likelihood(hx, obs.y, problem.network), hx

    return look_ahead


def gaussian(
    problem: Problem, model: DiffusionModel, sampler: Sampler, guidance: GuidanceSettings
) -> LookAhead:
    """p(y | x) ~ N(y; h(mu), R + H V Hᵀ), V = Cov[target | pure noise] by Tweedie's formula."""
    if problem.network.size > DENSE_LIMIT:
        raise UserError(
            f"weight: gaussian takes up to {DENSE_LIMIT} observations and this scenario has "
            f"{problem.network.size}; use weight: dirac"
        )

    def look_ahead(members: draw.Member, obs: Observation):
        given = Condition(problem.network.h, problem.network.error_std, obs.y, guidance)
        sigma = jnp.asarray(sampler.sigma_max, members.x.dtype)
        denoise = model.denoiser(sigma)

        def one_batch(m: draw.Member):
            z, condition = sigma * jax.vmap(model.noise)(m.key), draw.known(model, m, obs.time)
            log_w, D = log_evidence(model, given, lambda z: denoise(z, condition), sigma, z, m.x)
            return log_w, jax.vmap(problem.network.h)(model.next_state(D, m.x))

        return draw.batch_by_batch(one_batch, members, problem.batch)

    return look_ahead


def checked(ess: tuple[float, float] | None) -> Callable[[int], tuple[float, float]] | None:
    """The window in members, for a number of members."""
    if ess is None:
        return None
    low, high = ess
    if low > high or (low <= 1) != (high <= 1):
        raise UserError(
            f"filter.ess: [{low:g}, {high:g}] is no window; it takes [low, high], low <= high, "
            "both as fractions of the members (up to 1) or both as numbers of members"
        )
    return lambda n: (low * n, high * n) if high <= 1 else (min(low, n), min(high, n))


def fewest(ess: tuple[float, float] | None) -> int:
    """More members than a window in their numbers begins with: fewer would leave no weights."""
    return 1 if ess is None or ess[1] <= 1 else int(ess[0]) + 1
