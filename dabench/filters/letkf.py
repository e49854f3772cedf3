"""The local ensemble transform Kalman filter: each point from the observations around it.

`etkf_update` is the analysis of one point as its authors write it. The filter computes the same for
all points and levels at once, without W: see `filters.local`, and `SquareRoot` there.
"""

from typing import Annotated, NamedTuple

import jax.numpy as jnp
from annotated_types import Ge, Le
from jaxtyping import Array, Float, Key

from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites, Times
from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.inflation import analysis_inflation, rotate
from dabench.filters.local.moments import scaled, with_error_variances
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.square_root import SquareRoot
from dabench.filters.local.taper import SCALES, localisation
from dabench.observe.network import Observation

SEARCH_SPACE = {
    **SCALES,
    "rtps": "0..1.5",
    "r_inflation": "0.5..4 log",
}
"""Settings that `dabench tune` searches."""


def etkf_update(
    x: Float[Array, "member state"],
    hx: Float[Array, "member obs"],
    y: Float[Array, "obs"],
    precision: Float[Array, "obs"],
) -> Float[Array, "member state"]:
    r"""Analysis ensemble whose mean and covariance are Kalman's for the sample covariance of x.

        P̃ = ((k - 1) I + Yᵀ R⁻¹ Y)⁻¹   (21)      w̄ = P̃ Yᵀ R⁻¹ (y - ȳ)   (20)
        W = ((k - 1) P̃)^½              (25)      xᵃ = x̄ + X (w̄ + W)      (22, 24)

    The filter does not call it: it is the reference that its fast path is tested against.

    Arguments:
        x: Forecast members, k >= 2 of them, in state units; x̄ is their mean, X are departures.
        hx: h(x) of each member, in units of y; ȳ is their mean, Y are departures.
        y: Observations.
        precision: Diagonal of R⁻¹, times the taper at the point that is analysed.
    Source: Hunt, Kostelich & Szunyogh (2007), arXiv:physics/0511236, by equation number.
    """
    k = len(x)
    x_mean, y_mean = x.mean(0), hx.mean(0)
    X, Y = (x - x_mean[None]).T, (hx - y_mean[None]).T
    C = Y.T * precision[None]  # Yᵀ R⁻¹
    lam, U = jnp.linalg.eigh((k - 1) * jnp.eye(k) + C @ Y)  # P̃⁻¹ = U diag(lam) Uᵀ
    w_mean = U @ (U.T @ (C @ (y - y_mean)) / lam)
    W = (U * jnp.sqrt((k - 1) / lam)[None]) @ U.T
    return x_mean[None] + (X @ (w_mean[:, None] + W)).T


class Carry(NamedTuple):
    """Equally weighted members, and the covariance inflation of each unit and level."""

    x: Members
    inflation: Float[Array, "unit level"]


def letkf(
    problem: Problem,
    *,
    length_scale_km: Kilometres | None = 800.0,
    length_scale_sites: Sites | None = None,
    vertical_scale: LogPressure | None = 0.5,
    truncation: Annotated[float, Ge(0), Le(1)] = 0.0,
    batch: Times = 1,
    weight_stride: Times = 1,
    inflation: Positive = 1.0,
    rtps: Annotated[float, Ge(0), Le(1.5)] = 0.5,
    rtpp: Annotated[float, Ge(0), Le(1)] = 0.0,
    r_inflation: Positive = 1.0,
    adaptive: bool = False,
    rotation: bool = False,
    route: Route = "auto",
    sampler: Sampler | None = None,
) -> Filter:
    """A deterministic ensemble Kalman filter, localised by the error variance of observations.

    Arguments:
        length_scale_km, length_scale_sites: Length scale of the Gaspari-Cohn taper, which ends at
            3.65 times it: in km on the sphere, in sites elsewhere. None: no taper.
        vertical_scale: Scale of the vertical taper in ln p; variables without a level count as at
            1000 hPa. None: no taper.
        truncation: Tapers below it count as zero.
        batch: Number of neighbouring points that are analysed as one, at their mean distance.
        weight_stride: Analyse every n-th point each way, and interpolate the weights of the others.
        inflation: Factor on the anomalies of the analysis.
        rtps: Share of the way back to the prior's spread (relaxation to prior spread); 0: none,
            above 1: wider than it.
        rtpp: Weight of the prior's anomalies in those of the analysis (relaxation to prior
            perturbations); needs rtps 0.
        r_inflation: Factor on the observation error variances that the analysis assumes.
        adaptive: Whether to estimate an inflation of the prior from innovations, at each point.
        rotation: Whether to rotate the analysis ensemble at random.
        route: How local sums are made: `pairs`, `rows` or `levels`; `auto` is the cheapest.
        sampler: Sampler of the forecast; None is the model's own.
    Source: Hunt, Kostelich & Szunyogh (2007), Physica D 230, 112-126.
    """
    layout, network = problem.model.layout, with_error_variances(problem.network, r_inflation)
    taper = localisation(layout, length_scale_km, length_scale_sites, vertical_scale, truncation)
    plan = make_plan(layout, network.table, taper, batch, weight_stride)
    inflate = analysis_inflation(inflation, rtps, rtpp)

    def init(x: Members) -> Carry:
        return Carry(x, jnp.ones((len(plan.position), len(plan.levels)), wide()))

    def finish(prior: Array, increment: Array) -> Array:
        return inflate(prior + increment, prior)

    def step(key: Key[Array, ""], carry: Carry, obs: Observation) -> tuple[Carry, Info]:
        keys, key = split_key(key, len(carry.x))
        prior, info = forecast(problem, keys, carry.x, obs.time, sampler)

        hx = observed(network, prior)
        S, d, _ = scaled(hx, obs, network)
        departures = Departures(S, d[None], carry.inflation, obs.present)
        x, factor = analyse(plan, prior, departures, SquareRoot(adaptive), finish, route=route)
        x = rotate(key, x) if rotation else x
        if adaptive:
            info["inflation"] = factor.mean()
        return Carry(x, factor), info | background(hx, prior)

    return Filter(init, step, least=2)
