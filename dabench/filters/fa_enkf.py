"""The fully adapted ensemble Kalman filter: move ancestors by y, then draw given y."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jaxtyping import Array, Float, Key

from dabench.core import devices
from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.diffusion import draw
from dabench.diffusion.guidance import (
    DENSE_LIMIT,
    Condition,
    GuidanceSettings,
    innovation_covariance,
)
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.climate import draws_around
from dabench.filters.forecast import condition_on, diffusion_model, forecast_mean, observed
from dabench.filters.local.inflation import analysis_inflation
from dabench.filters.local.moments import scaled
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.square_root import SquareRoot
from dabench.filters.local.taper import SCALES, Localisation, localisation
from dabench.observe.network import Observation

DEFAULT = GuidanceSettings()
STATES = 16  # states of the climate that the spread of a forecast is averaged over
SEARCH_SPACE = {
    "s_inflation": "1..100 log",
    **SCALES,
    "rtps": "0..1.5",
}
"""Settings that `dabench tune` searches."""

Whiten = Callable[[Float[Array, "row obs"]], Float[Array, "row obs"]]
"""v -> S^-½ v, row by row, for the covariance S of y given x."""


def fa_enkf(
    problem: Problem,
    *,
    covariance: Literal["diagonal", "dense"] = "diagonal",
    s_inflation: Positive = 1.0,
    length_scale_km: Kilometres | None = 800.0,
    length_scale_sites: Sites | None = None,
    vertical_scale: LogPressure | None = 1.0,
    inflation: Positive = 1.0,
    rtps: Annotated[float, Ge(0), Le(1.5)] = 0.3,
    guidance: GuidanceSettings = DEFAULT,
    route: Route = "auto",
    sampler: Sampler | None = None,
) -> Filter:
    r"""Ancestors from p(x | y) by an ensemble transform, then x' ~ p(x' | x, y) by guidance.

        p(x', x | y) ∝ p(x) p(y | x) p(x' | x, y),   p(y | x) ≈ N(y; h(μ(x)), S)

    is FA-APF's factorisation. Where FA-APF resamples ancestors by p(y | x), here an LETKF moves
    them, for which y observes x through h(μ(x)) with errors of covariance S = R + H Q Hᵀ. Here
    μ(x) = E[x' | x] is one denoiser evaluation and Q = Cov[x' | x]. Exact, as N grows, where the
    system is linear and Gaussian, S is dense, and nothing is localised.

    Arguments:
        covariance: How H Q Hᵀ is had. `diagonal`: variances of forecasts from 16 states of the
            climate, one for each variable and level. `dense`: by Tweedie's formula at sigma_max,
            one product an observation, for up to 2000 observations and without localisation.
        s_inflation: Factor on S. Errors of forecasts are correlated, so that neighbouring
            observations say less of x than a diagonal S has it; 1 where they are not.
        length_scale_km, length_scale_sites: Length scale of the Gaspari-Cohn taper, which ends at
            3.65 times it: in km on the sphere, in sites elsewhere. None: no taper.
        vertical_scale: Scale of the vertical taper in ln p; variables without a level count as at
            1000 hPa. None: no taper.
        inflation: Factor on the anomalies of the ancestors.
        rtps: Share of the way back to the ancestors' spread before y; 0: none.
        guidance: How draws are conditioned on y.
        route: How local sums are made: `pairs`, `rows` or `levels`; `auto` is the cheapest.
        sampler: Sampler of the draws; null is the model's own.
    Source: Raboudi, Ait-El-Fquih & Hoteit (2018), MWR 146, smooth one step back before they move,
        too; here the move is a guided draw.
    """
    model, network, layout = diffusion_model(problem.model), problem.network, problem.model.layout
    sampler = sampler or model.sampler
    template = condition_on(problem, guidance)
    taper = localisation(layout, length_scale_km, length_scale_sites, vertical_scale)
    plan, inflate = make_plan(layout, network.table, taper), analysis_inflation(inflation, rtps, 0)
    if covariance == "dense":
        whiten = dense(problem, model, sampler, template, taper, s_inflation)
    else:
        whiten = diagonal(problem, s_inflation)
    whitened = replace(network, error_std=np.ones(network.size))

    def finish(prior: Array, increment: Array) -> Array:
        return inflate(prior + increment, prior)

    def step(key: Key[Array, ""], ens: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        draw_keys, analysis = split_key(key, len(ens.x))
        look_keys, _ = split_key(analysis, len(ens.x))

        # h(μ(x_i))
        mu, _ = forecast_mean(problem, look_keys, ens.x, obs.time, sampler)
        hx = observed(network, mu)

        # x_i ~ p(x | y), all frames of x with the same weights
        y = whiten(obs.y[None].astype(hx.dtype))[0]
        S, d, _ = scaled(whiten(hx), obs._replace(y=y), whitened)
        one = jnp.ones((len(plan.position), len(plan.levels)), wide())
        departures = Departures(S, d[None], one)
        x, _ = analyse(plan, ens.x, departures, SquareRoot(False), finish, route=route)

        # x'_i ~ p(x' | x_i, y)
        condition = template._replace(y=obs.y, present=obs.present)
        x_next, counts = draw.members(
            draw_keys, model, x, obs.time, sampler, problem.batch, condition
        )
        info = Info(**counts) | Info(background_obs=hx.mean(0))
        info["evaluations"] = counts["evaluations"] + 1
        return Ensemble(x_next), info

    return Filter(Ensemble, step, least=2)


def diagonal(problem: Problem, factor: float) -> Whiten:
    """S^-½ of a diagonal S, times a factor; h(x') varies alike in all of a variable and level."""
    network = problem.network
    hx = devices.gather(jax.vmap(jax.vmap(network.h))(draws_around(problem, STATES, 2)))
    variance = np.asarray(hx, float).var(0, ddof=1).mean(0)
    alike = network.table.groupby(["variable", "level"], dropna=False).ngroup().to_numpy()
    spread = (np.bincount(alike, variance) / np.bincount(alike))[alike]
    std = jnp.asarray(np.sqrt(factor * (network.var + spread)), wide())
    return lambda v: v / std[None]


def dense(
    problem: Problem,
    model: DiffusionModel,
    sampler: Sampler,
    condition: Condition,
    taper: Localisation,
    factor: float,
) -> Whiten:
    """S^-½ = Λ^-½ Uᵀ R^-½ where R^-½ S R^-½ = U Λ Uᵀ, times a factor, at one state of the climate.

    Eigenvalues below one, which an exact denoiser does not have, count as one.
    """
    _fits_dense(problem, taper)
    x = jnp.asarray(problem.climate)[:1]
    sigma = jnp.asarray(sampler.sigma_max, x.dtype)
    context = model.condition(x, jnp.zeros(()))
    denoise = model.denoiser(sigma)
    S = innovation_covariance(
        model,
        condition,
        lambda z: denoise(z, context),
        sigma,
        jnp.zeros((1, model.target_size), x.dtype),
        x,
    )[0]
    lam, U = jnp.linalg.eigh(S)
    std = jnp.asarray(problem.network.error_std, wide())
    root = U / jnp.sqrt(factor * jnp.maximum(lam, 1))[None] / std[:, None]
    return lambda v: v @ root


def _fits_dense(problem: Problem, taper: Localisation) -> None:
    network = problem.network
    if network.size > DENSE_LIMIT:
        raise UserError(
            f"covariance: dense takes up to {DENSE_LIMIT} observations and this scenario has "
            f"{network.size}; use covariance: diagonal"
        )
    if taper.length_scale is not None or (taper.sphere and taper.vertical_scale is not None):
        raise UserError(
            "covariance: dense mixes all observations, which then have no place to be localised "
            "at; set the length scales and vertical_scale to null, or use covariance: diagonal"
        )
    if network.gaps:
        raise UserError(
            "covariance: dense mixes all observations, and in this scenario some are missing in "
            "some cycles; use covariance: diagonal"
        )
    if not len(problem.climate):
        raise UserError("covariance: dense needs a state of the climate, and the system has none")
