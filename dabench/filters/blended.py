"""Ancestors blended by local weights: near each point, weighted by the observations around it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Le
from jaxtyping import Array, Float

from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites
from dabench.core.types import Members
from dabench.filters.ancestors import diagonal
from dabench.filters.base import Problem
from dabench.filters.local.inflation import analysis_inflation
from dabench.filters.local.moments import scaled
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.taper import localisation
from dabench.filters.local.weighted import WeightedMoments
from dabench.observe.network import Observation

Blend = Callable[[Members, Float[Array, "member obs"], Observation], Members]
"""(x, h(μ(x)) in float64, the next observations) -> members with the moments of p(x | y)."""


@dataclass(frozen=True)
class LocalWeights:
    """How ancestors are weighted around each point and blended.

    At each point w_i ∝ N(y; h(μ(x_i)), S)^α over the observations around it, S being the diagonal
    of R + H Cov[x' | x] Hᵀ as `fa_enkf` has it; and members become a linear transform of themselves
    with the mean and the covariance of the weighted ones, as in `lpf`.

    Arguments:
        least_ess: Smallest effective sample size of the weights at a point, as a fraction of the
            members. Where it is smaller, α is below 1.
        s_inflation: Factor on S.
        length_scale_km, length_scale_sites: Length scale of the Gaspari-Cohn taper, which ends at
            3.65 times it: in km on the sphere, in sites elsewhere. None: no taper.
        vertical_scale: Scale of the vertical taper in ln p; variables without a level count as at
            1000 hPa. None: no taper.
        rtps: Share of the way back to the ancestors' spread before y; 0: none.
        route: How local sums are made: `pairs`, `rows` or `levels`; `auto` is the cheapest.
    Source: Tödter & Ahrens (2015), MWR 143, 1347-1367, for the transform.
    """

    least_ess: Annotated[float, Gt(0), Le(1)] = 0.25
    s_inflation: Positive = 1.0
    length_scale_km: Kilometres | None = 800.0
    length_scale_sites: Sites | None = None
    vertical_scale: LogPressure | None = 1.0
    rtps: Annotated[float, Ge(0), Le(1.5)] = 0.0
    route: Route = "auto"


def blending(problem: Problem, how: LocalWeights) -> Blend:
    """The transform of ancestors for one network."""
    network, layout = problem.network, problem.model.layout
    taper = localisation(layout, how.length_scale_km, how.length_scale_sites, how.vertical_scale)
    plan, inflate = make_plan(layout, network.table, taper), analysis_inflation(1, how.rtps, 0)
    one = jnp.ones((1, network.size))
    std = 1 / np.asarray(diagonal(problem, how.s_inflation)(one, None), float)[0]
    wider, solver = replace(network, error_std=std), WeightedMoments(how.least_ess)

    def finish(prior: Array, increment: Array) -> Array:
        return inflate(prior + increment, prior)

    def blend(x: Members, hx: Float[Array, "member obs"], obs: Observation) -> Members:
        S, d, _ = scaled(hx, obs, wider)
        departures = Departures(S, d[None], None)
        return analyse(plan, x, departures, solver, finish, route=how.route)[0]

    return blend
