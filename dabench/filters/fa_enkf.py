"""The fully adapted ensemble Kalman filter: move ancestors by y, then draw given y."""

from typing import Annotated

from annotated_types import Ge, Le
from jaxtyping import Array, Key

from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites
from dabench.diffusion import draw
from dabench.diffusion.guidance import GuidanceSettings
from dabench.diffusion.model import Sampler
from dabench.filters.ancestors import Covariance, mover
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import condition_on, diffusion_model, forecast_mean, observed
from dabench.filters.local.inflation import analysis_inflation
from dabench.filters.local.routes import Route
from dabench.filters.local.taper import SCALES, localisation
from dabench.observe.network import Observation

DEFAULT = GuidanceSettings()
SEARCH_SPACE = {
    "s_inflation": "1..100 log",
    **SCALES,
    "rtps": "0..1.5",
}
"""Settings that `dabench tune` searches."""


def fa_enkf(
    problem: Problem,
    *,
    covariance: Covariance = "diagonal",
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
    inflate = analysis_inflation(inflation, rtps, 0)
    ancestors = mover(
        problem, model, sampler, template, covariance, s_inflation, taper, inflate, route
    )

    def step(key: Key[Array, ""], ens: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        draw_keys, analysis = split_key(key, len(ens.x))
        look_keys, _ = split_key(analysis, len(ens.x))

        # h(μ(x_i))
        mu, _ = forecast_mean(problem, look_keys, ens.x, obs.time, sampler)
        hx = observed(network, mu)

        # x_i ~ p(x | y)
        x = ancestors.move(ens.x, ancestors.departures(hx, obs))

        # x'_i ~ p(x' | x_i, y)
        condition = template._replace(y=obs.y, present=obs.present)
        x_next, counts = draw.members(
            draw_keys, model, x, obs.time, sampler, problem.batch, condition
        )
        info = Info(**counts) | Info(background_obs=hx.mean(0))
        info["evaluations"] = counts["evaluations"] + 1
        return Ensemble(x_next), info

    return Filter(Ensemble, step, least=2)
