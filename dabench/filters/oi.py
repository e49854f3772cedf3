"""Optimal interpolation: static covariances in place of an ensemble's."""

import math
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float, Key

from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites, Times
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.climate import draw, states
from dabench.filters.forecast import background as diagnostics
from dabench.filters.forecast import forecast, forecast_mean, observed
from dabench.filters.local.gramian import product
from dabench.filters.local.inflation import Consistency
from dabench.filters.local.moments import anomalies, mean, perturbations, scaled
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.taper import SCALES, Localisation, localisation
from dabench.filters.static import forecast_errors, increments
from dabench.observe.network import Network, Observation

SEARCH_SPACE = {
    "background": "mean,forecast",
    "covariance": "errors,climate",
    "variance_scale": "0.01..10 log",
    **SCALES,
}
"""Settings that `dabench tune` searches."""


class Gain(NamedTuple):
    """The solver with the Kalman gain, T = (I + SᵀS)⁻¹ Sᵀd = Sᵀ (I + SSᵀ)⁻¹ d."""

    def from_gram(
        self, A: Array, G: Array, g: Array, inflation: None, consistency: Consistency
    ) -> tuple[Array, None]:
        """See `routes.Solver`."""
        return product(A, solve(G, g)), inflation

    def from_rows(
        self, A: Array, S: Array, d: Array, inflation: None, consistency: Consistency
    ) -> tuple[Array, None]:
        """See `routes.Solver`."""
        if S.shape[-2] > S.shape[-1]:
            return self.from_gram(A, S.mT @ S, S.mT @ d, inflation, consistency)
        return product(A, S.mT @ solve(S @ S.mT, d)), inflation


def solve(A: Float[Array, "*unit n n"], b: Float[Array, "*unit n r"]) -> Float[Array, "*unit n r"]:
    """(I + A)⁻¹ b, A positive semi-definite; eigenvalues that rounding made negative count as 0."""

    def by_eigenvectors() -> Array:
        lam, U = jnp.linalg.eigh(A)
        return product(U / (1 + jnp.maximum(lam, 0))[..., None, :], product(U.mT, b))

    one = jnp.broadcast_to(jnp.eye(A.shape[-1], dtype=A.dtype), A.shape)
    L = jnp.linalg.cholesky(A + one)
    positive = jnp.isfinite(L).all()
    return jax.lax.cond(positive, lambda: cho_solve((L, True), b), by_eigenvectors)


def climate_departures(
    climate: Float[Array, "draw state"], draws: int, scale: float, network: Network
) -> tuple[Float[Array, "m state"], Float[Array, "m obs"]]:
    """Anomalies of states with `scale` times the climate's covariance, and `Scaled.S` of them.

    Arguments:
        draws: Number of states to use, evenly spaced among those of the climate.
    """
    index = np.linspace(0, len(climate) - 1, min(draws, len(climate))).astype(int)
    x = jnp.asarray(climate)[index]
    hx = jax.vmap(network.h)(x).astype(wide())
    S = scaled(hx, Observation(jnp.zeros(()), jnp.zeros(network.size, x.dtype)), network).S
    return math.sqrt(scale) * anomalies(x), math.sqrt(scale) * S


def oi(
    problem: Problem,
    *,
    background: Literal["mean", "forecast", "climatology"] = "forecast",
    covariance: Literal["errors", "climate"] = "climate",
    variance_scale: Positive = 0.1,
    iterations: Times = 40,
    draws: Annotated[int, Ge(2), Le(100_000)] = 64,
    length_scale_km: Kilometres | None = 800.0,
    length_scale_sites: Sites | None = None,
    vertical_scale: LogPressure | None = 0.5,
    route: Route = "auto",
    sampler: Sampler | None = None,
) -> Filter:
    """Optimal interpolation of each member, with one background covariance in all cycles.

    Each member is forecast from its own analysis and has its own perturbed observations, whose
    sample mean is removed. One member is the classical scheme; more members estimate its spread.

    Arguments:
        background: The `mean` of the forecast, which has the smallest error; a draw of it
            (`forecast`); or draws from the climate (`climatology`, centred on its mean).
        covariance: The background's covariance is a multiple of that of forecast `errors`, which is
            homogeneous and needs no taper, or of that of the `climate`, tapered.
        variance_scale: The multiple; 0.1 of the climate's, some times that of errors.
        iterations: Number of steps of conjugate gradients; for `errors`.
        draws: Number of states of the climate to estimate its covariance from.
        length_scale_km, length_scale_sites: Length scale of the Gaspari-Cohn taper, which ends at
            3.65 times it: in km on the sphere, in sites elsewhere. None: no taper.
        vertical_scale: Scale of the vertical taper in ln p; variables without a level count as at
            1000 hPa. None: no taper.
        route: How local sums are made: `pairs`, `rows` or `levels`; `auto` is the cheapest.
        sampler: Sampler of the forecast; None is the model's own.
    """
    network, climate = problem.network, states(problem)
    if covariance == "errors":
        add_increments = by_errors(problem, variance_scale, iterations)
    else:
        scales = length_scale_km, length_scale_sites, vertical_scale
        taper = localisation(problem.model.layout, *scales)
        add_increments = by_climate(problem, taper, draws, variance_scale, route)

    def from_climate(key: Key[Array, ""], n: int) -> Members:
        departures = anomalies(draw(key, climate, n)) * math.sqrt(n / max(n - 1, 1))
        return mean(climate).astype(departures.dtype)[None] + departures

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        n = len(carry.x)
        keys, key = split_key(key, n)
        key_noise, key_climate = jax.random.split(key)
        if background == "climatology":
            prior, info = from_climate(key_climate, n), Info()
        elif background == "mean":
            prior, info = forecast_mean(problem, keys, carry.x, obs.time, sampler)
        else:
            prior, info = forecast(problem, keys, carry.x, obs.time, sampler)

        hx = observed(network, prior)
        e = perturbations(key_noise, n, network.size) * jnp.asarray(network.error_std)[None]
        x = add_increments(prior, hx, obs._replace(y=obs.y.astype(e.dtype)[None] + e))
        return Ensemble(x), info | diagnostics(hx, prior)

    return Filter(Ensemble, step)


AddIncrements = Callable[[Members, Float[Array, "member obs"], Observation], Members]
"""(x, h(x), y) -> x + K (y - h(x)), a row a member."""


def by_errors(problem: Problem, scale: float, iterations: int) -> AddIncrements:
    """The gain of a multiple of the covariance of forecast errors."""
    layout, network, B = problem.model.layout, problem.network, forecast_errors(problem)
    return lambda x, hx, obs: x + increments(layout, network, B, scale, x, obs, iterations)


def by_climate(
    problem: Problem, taper: Localisation, draws: int, scale: float, route: Route
) -> AddIncrements:
    """The gain of a multiple of the climate's covariance, tapered; it needs a linear h."""
    network = problem.network
    if not network.linear:
        raise UserError(
            "covariance: climate has one gain for all states and needs observations that are "
            "linear in the state, not speeds, directions or pressures at a height; "
            "covariance: errors takes their tangent"
        )
    plan = make_plan(problem.model.layout, network.table, taper)
    basis, S = climate_departures(states(problem), draws, scale, network)
    unit = jnp.asarray(1 / (network.error_std * np.sqrt(len(S) - 1)), wide())

    def add(x: Members, hx: Array, obs: Observation) -> Members:
        # Without the barrier XLA would fold products of these constants while it compiles.
        A, SA = jax.lax.optimization_barrier((basis, S))
        d = obs.masked((obs.y - hx) * unit[None])
        departures = Departures(obs.masked(SA), d, None)
        return analyse(plan, x, departures, Gain(), basis=A, route=route)[0]

    return add
