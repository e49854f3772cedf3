"""The local particle filter: at each point, members weighted by the observations around it.

Weights are not resampled but become a linear transform of the ensemble that has their mean and
covariance, so that neighbouring points, whose weights are alike, change alike.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from annotated_types import Ge, Gt, Le
from jaxtyping import Array, Float, Key

from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.gramian import product
from dabench.filters.local.inflation import Consistency, analysis_inflation, rotate
from dabench.filters.local.moments import scaled
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.taper import SCALES, localisation
from dabench.filters.particles.weights import normalise, temper
from dabench.observe.network import Observation

SEARCH_SPACE = {
    "least_ess": "0.05..0.9",
    **SCALES,
    "rtps": "0..1.5",
}
"""Settings that `dabench tune` searches."""


class WeightedMoments(NamedTuple):
    r"""The solver whose analysis has the mean and covariance of weighted particles.

        log w_i = α log p(y | x_i) = -α (m - 1) / 2 (G_ii - 2 g_i) + constant

    α tempers the weights of a unit and level where their effective sample size is below
    `least_ess` of the m members. See `second_order` for the transform.
    """

    least_ess: float

    def from_gram(
        self, A: Array, G: Array, g: Array, inflation: None, consistency: Consistency
    ) -> tuple[Array, None]:
        """See `routes.Solver`."""
        return self._increments(A, jnp.diagonal(G, axis1=-2, axis2=-1) - 2 * g[..., 0]), None

    def from_rows(
        self, A: Array, S: Array, d: Array, inflation: None, consistency: Consistency
    ) -> tuple[Array, None]:
        """See `routes.Solver`."""
        return self._increments(A, (S * (S - 2 * d)).sum(-2)), None

    def _increments(self, A: Array, misfit: Float[Array, "unit level m"]) -> Array:
        m = misfit.shape[-1]
        low = self.least_ess * m

        def tempered(log_w: Float[Array, "m"]) -> Float[Array, "m"]:
            return normalise(temper(log_w, low, 1.05 * low) * log_w)

        log_w = normalise_all(-0.5 * (m - 1) * misfit)
        w = jnp.exp(jax.vmap(jax.vmap(tempered))(log_w))
        return second_order(A, w.astype(A.dtype)) - A


def normalise_all(log_w: Float[Array, "unit level m"]) -> Float[Array, "unit level m"]:
    """Log-weights of every unit and level that sum to one."""
    return jax.vmap(jax.vmap(normalise))(log_w)


def second_order(
    A: Float[Array, "*unit row m"], w: Float[Array, "*unit m"]
) -> Float[Array, "*unit row m"]:
    r"""Anomalies whose mean is Σ w_i A_i and whose covariance over m is the weighted one.

        A w 1ᵀ + √m A D (I - v vᵀ) Q      v = √w, D = diag(v), e = 1 / √m
        Q = I - (e + v) (e + v)ᵀ / (1 + eᵀv) + 2 v eᵀ

    D (I - v vᵀ) is a root of diag(w) - w wᵀ, and the rotation Q from e to v takes care that the
    deviations have no mean. Equal weights change nothing.
    Source: Tödter & Ahrens (2015), MWR 143, 1347-1367, who take the symmetric root by eigenvectors.
    """
    v, e = jnp.sqrt(w)[..., None], 1 / jnp.sqrt(w.shape[-1]).astype(w.dtype)
    mean = product(A, w[..., None])
    B = A * v.mT
    B = B - product(B, v) * v.mT
    Be, ev = e * B.sum(-1, keepdims=True), e * v.sum(-2, keepdims=True)
    return mean + (B - Be * (e + v.mT) / (1 + ev)) / e  # B Q, where B v = 0


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
