"""Hybrid gain: an LETKF, then a 3D-Var step of its mean with a static covariance."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge, Le
from jaxtyping import Array, Key

from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites, Times
from dabench.core.precision import wide
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.inflation import analysis_inflation
from dabench.filters.local.moments import mean, scaled
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.square_root import SquareRoot
from dabench.filters.local.taper import SCALES, localisation
from dabench.filters.static import forecast_errors, increments
from dabench.observe.network import Observation

SEARCH_SPACE = {
    "beta": "0..1",
    "variance_scale": "0.3..30 log",
    **SCALES,
    "rtps": "0..1.5",
}
"""Settings that `dabench tune` searches."""


def hybrid_3dvar(
    problem: Problem,
    *,
    beta: Annotated[float, Ge(0), Le(1)] = 0.5,
    variance_scale: Positive = 1.0,
    iterations: Times = 40,
    length_scale_km: Kilometres | None = 800.0,
    length_scale_sites: Sites | None = None,
    vertical_scale: LogPressure | None = 0.5,
    inflation: Positive = 1.0,
    rtps: Annotated[float, Ge(0), Le(1.5)] = 0.5,
    route: Route = "auto",
    sampler: Sampler | None = None,
) -> Filter:
    """Members of an LETKF, recentred on m + β K (y - h(m)), K = B Hᵀ (R + H B Hᵀ)⁻¹.

    Here m is the LETKF's mean, and B the covariance of forecasts from states of the climate, which
    has the directions that few members lack. The second step updates the last frame of the state.

    Arguments:
        beta: Share of the static step that is taken: 0 is the LETKF.
        variance_scale: Variance of B over that of a forecast given its start.
        iterations: Number of steps of conjugate gradients.
        length_scale_km, length_scale_sites: Length scale of the LETKF's Gaspari-Cohn taper, which
            ends at 3.65 times it: in km on the sphere, in sites elsewhere. None: no taper.
        vertical_scale: Scale of its vertical taper in ln p; variables without a level count as at
            1000 hPa. None: no taper.
        inflation: Factor on the anomalies of the analysis.
        rtps: Share of the way back to the prior's spread (relaxation to prior spread); 0: none,
            above 1: wider than it.
        route: How local sums are made: `pairs`, `rows` or `levels`; `auto` is the cheapest.
        sampler: Sampler of the forecast; null is the model's own.
    Source: Penny (2014), MWR 142, 3139-3149.
    """
    layout, network = problem.model.layout, problem.network
    taper = localisation(layout, length_scale_km, length_scale_sites, vertical_scale)
    plan, inflate = make_plan(layout, network.table, taper), analysis_inflation(inflation, rtps, 0)
    B = forecast_errors(problem)

    def finish(prior: Array, increment: Array) -> Array:
        return inflate(prior + increment, prior)

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        keys, _ = split_key(key, len(carry.x))
        prior, info = forecast(problem, keys, carry.x, obs.time, sampler)

        # LETKF
        hx = observed(network, prior)
        S, d, _ = scaled(hx, obs, network)
        one = jnp.ones((len(plan.position), len(plan.levels)), wide())
        x, _ = analyse(
            plan, prior, Departures(S, d[None], one), SquareRoot(False), finish, route=route
        )

        # its mean, by what is left of the innovation
        m = mean(x)[None].astype(x.dtype)
        rows = obs._replace(y=obs.y[None])
        change = increments(layout, network, B, variance_scale, m, rows, iterations)
        return Ensemble(x + beta * change), info | background(hx, prior)

    return Filter(Ensemble, step, least=2)
