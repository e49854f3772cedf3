"""The fully adapted auxiliary particle filter: choose ancestors by y, then draw given y."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key, PyTree

from dabench.core import devices
from dabench.core.bounds import Positive, Times
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion import draw
from dabench.diffusion.guidance import GuidanceSettings
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.blended import LocalWeights, blending
from dabench.filters.forecast import condition_on, diffusion_model
from dabench.filters.look_ahead import look_ahead_of, look_ahead_products
from dabench.filters.particles.resample import Scheme, resample
from dabench.filters.particles.weights import SEARCH, AlphaSearch, normalise, temper
from dabench.filters.particles.weights import ess as effective_sample_size
from dabench.observe.network import Observation

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
    local: LocalWeights | None = None,
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
        local: Weights that differ from point to point, by which ancestors are blended instead of
            drawn; of all settings above they have none. null: one weight a member.
        guidance: How draws are conditioned on y.
        sampler: Sampler of the draws; null is the model's own.
    Source: Savary, Rozet & Louppe (2025), arXiv:2509.18811; Pitt & Shephard (1999).
    """
    model, network = diffusion_model(problem.model), problem.network
    sampler = sampler or model.sampler
    template = condition_on(problem, guidance)
    look_ahead = look_ahead_of(weight, rank, local is not None)(problem, model, sampler)
    look_products = look_ahead_products(network, weight, rank)
    if local is not None:
        choose = blended(problem, local)
    else:
        choose = resampled(window_of(ess), alpha, first_weights, resampling)

    def step(key: Key[Array, ""], ens: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        n, condition = len(ens.x), template._replace(y=obs.y, present=obs.present)
        draw_keys, look_keys, resample_key = _split(key, n)
        context = draw.contexts(model, ens.x, obs.time, problem.batch)

        # log p(y | x_i)
        start = draw.Start(look_keys, ens.x, context)
        log_p, hx = devices.share(lambda start: look_ahead(start, obs.time, condition), start)
        look = Look(ens.x, context, devices.gather(log_p), hx)

        # x_{a_i} ~ p(x | y)
        x, context, chosen = choose(resample_key, look, obs)

        # x'_i ~ p(x' | x_{a_i}, y)
        x_next, counts = draw.members(
            draw_keys, model, x, obs.time, sampler, problem.batch, condition, context
        )
        info = Info(**counts)
        info["evaluations"] = counts["evaluations"] + 1
        info["products"] = counts["products"] + look_products
        info |= chosen | Info(background_obs=hx.mean(0, dtype=wide()))
        return Ensemble(x_next), info

    return Filter(Ensemble, step, 2 if local else least_members(ess))


class Look(NamedTuple):
    """Members as the look-ahead sees them.

    Arguments:
        x: (member, state) current states.
        context: What `draw.contexts` makes of them.
        log_p: (member,) log p(y | x) up to a constant.
        hx: (member, obs) h of the mean of x'.
    """

    x: Members
    context: PyTree
    log_p: Float[Array, "member"]
    hx: Float[Array, "member obs"]


Choose = Callable[[Key[Array, ""], Look, Observation], tuple[Members, PyTree, Info]]
"""(key, look, observations) -> (ancestors of all slots, their contexts, diagnostics)."""


def resampled(
    window: Callable[[int], tuple[float, float]] | None,
    alpha: AlphaSearch,
    first_weights: bool,
    resampling: Scheme,
) -> Choose:
    """Ancestors a_i ~ w with w_i ~ p(y | x_i)^alpha."""

    def choose(key: Key[Array, ""], look: Look, _: Observation) -> tuple[Members, PyTree, Info]:
        log_p = look.log_p
        if not first_weights:
            log_p = jnp.where(_all_alike(look.x), 0, log_p)
        exponent = temper(log_p, *window(len(log_p)), alpha) if window else jnp.ones((), wide())
        log_w = normalise(exponent * log_p)
        ancestor = resample(resampling, key, jnp.exp(log_w))
        info = Info(ess=effective_sample_size(log_w), alpha=exponent, log_weights=log_w)
        return *devices.take((look.x, look.context), ancestor), info | Info(ancestor=ancestor)

    return choose


def blended(problem: Problem, local: LocalWeights) -> Choose:
    """Ancestors with the mean and the covariance that local weights give, point by point."""
    blend = blending(problem, local)

    def choose(_: Key[Array, ""], look: Look, obs: Observation) -> tuple[Members, PyTree, Info]:
        return blend(look.x, devices.gather(look.hx).astype(wide()), obs), None, Info()

    return choose


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
