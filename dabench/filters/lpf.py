"""The local particle filter: at each point, members weighted by the observations around it.

Weights are not resampled but become a linear transform of the ensemble that has their mean and
covariance, so that neighbouring points, whose weights are alike, change alike.
"""

from typing import Annotated

from annotated_types import Ge, Gt, Le
from jaxtyping import Array, Key

from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.inflation import analysis_inflation, rotate
from dabench.filters.local.moments import scaled
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.taper import SCALES, localisation
from dabench.filters.local.weighted import WeightedMoments
from dabench.observe.network import Observation

SEARCH_SPACE = {
    "least_ess": "0.05..0.9",
    **SCALES,
    "rtps": "0..1.5",
}
"""Settings that `dabench tune` searches."""


def lpf(
    problem: Problem,
    *,
    least_ess: Annotated[float, Gt(0), Le(1)] = 0.2,
    length_scale_km: Kilometres | None = 800.0,
    length_scale_sites: Sites | None = None,
    vertical_scale: LogPressure | None = 0.5,
    inflation: Positive = 1.0,
    rtps: Annotated[float, Ge(0), Le(1.5)] = 0.5,
    rtpp: Annotated[float, Ge(0), Le(1)] = 0.0,
    rotation: bool = True,
    route: Route = "auto",
    sampler: Sampler | None = None,
) -> Filter:
    """A particle filter whose weights are local: the nonlinear ensemble transform filter.

    Arguments:
        least_ess: Smallest effective sample size of the weights at a point, as a fraction of the
            members. Where it is smaller the likelihood is taken to a power below 1.
        length_scale_km, length_scale_sites: Length scale of the Gaspari-Cohn taper, which ends at
            3.65 times it: in km on the sphere, in sites elsewhere. None: no taper.
        vertical_scale: Scale of the vertical taper in ln p; variables without a level count as at
            1000 hPa. None: no taper.
        inflation: Factor on the anomalies of the analysis.
        rtps: Share of the way back to the prior's spread (relaxation to prior spread); 0: none,
            above 1: wider than it.
        rtpp: Weight of the prior's anomalies in those of the analysis (relaxation to prior
            perturbations); needs rtps 0.
        rotation: Whether to rotate the analysis ensemble at random, the same way at all points.
        route: How local sums are made: `pairs`, `rows` or `levels`; `auto` is the cheapest.
        sampler: Sampler of the forecast; None is the model's own.
    Source: Tödter & Ahrens (2015), MWR 143, 1347-1367.
    """
    layout, network = problem.model.layout, problem.network
    taper = localisation(layout, length_scale_km, length_scale_sites, vertical_scale)
    plan, inflate = (
        make_plan(layout, network.table, taper),
        analysis_inflation(inflation, rtps, rtpp),
    )

    def finish(prior: Array, increment: Array) -> Array:
        return inflate(prior + increment, prior)

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        keys, key = split_key(key, len(carry.x))
        prior, info = forecast(problem, keys, carry.x, obs.time, sampler)

        hx = observed(network, prior)
        S, d, _ = scaled(hx, obs, network)
        departures, solver = Departures(S, d[None], None), WeightedMoments(least_ess)
        x: Members = analyse(plan, prior, departures, solver, finish, route=route)[0]
        x = rotate(key, x) if rotation else x
        return Ensemble(x), info | background(hx, prior)

    return Filter(Ensemble, step, least=2)
