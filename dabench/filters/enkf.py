"""The stochastic ensemble Kalman filter: each member has its own perturbed observations."""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le
from jaxtyping import Array, Float, Key

from dabench.core import devices
from dabench.core.bounds import Kilometres, LogPressure, Positive, Sites, Times
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.combine import Block, LocalAnalyses, combine
from dabench.filters.local.gramian import product
from dabench.filters.local.inflation import analysis_inflation
from dabench.filters.local.moments import perturbations, scaled, with_error_variances
from dabench.filters.local.plan import Plan, blocks, make_plan, observation_plan
from dabench.filters.local.routes import by_cell, tapered
from dabench.filters.local.taper import SCALES, localisation
from dabench.observe.network import Observation

SEARCH_SPACE = {
    **SCALES,
    "rtps": "0..1.5",
    "r_inflation": "0.5..4 log",
}
"""Settings that `dabench tune` searches."""


class Batch(NamedTuple):
    """Some locations of a plan, and all that is observed there in units of its error.

    Arguments:
        location: Places.
        S: Departures of members from their mean, over error_std √(n - 1).
        D: Departures of perturbed observations from members, likewise.
    """

    location: Float[Array, "location axis"]
    S: Float[Array, "slot observed_level location member"]
    D: Float[Array, "slot observed_level location member"]


def pair_weights(plan: Plan, batch: Batch) -> Float[Array, "location column"]:
    """The summands S_on V_om of T = Σ_o ρ_o S_on V_om, where V = (ρ ∘ SSᵀ + I)⁻¹ D.

    Columns are (observed level, n, m), summed over slots, as `routes.tapered` takes them. A place
    without an observation has S = 0 and D = 0, and so V = 0.
    """
    slots, levels, size, n = batch.S.shape
    across = plan.taper.horizontal(batch.location[:, None], batch.location)
    up = plan.taper.vertical(*(jnp.asarray(plan.observed_levels, plan.dtype),) * 2)
    rho = (up[:, None, :, None] * across[None, :, None]).reshape(levels * size, -1)
    S, D = (v.reshape(-1, n) for v in (batch.S, batch.D))
    A = jnp.tile(rho.astype(S.dtype), (slots, slots)) * (S @ S.T) + jnp.eye(len(S), dtype=S.dtype)
    V = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(A), True), D).reshape(batch.D.shape)
    summands = jnp.einsum("kloi,kloj->olij", *(v.astype(plan.dtype) for v in (batch.S, V)))
    return summands.reshape(size, -1)


class Summands(NamedTuple):
    """Summands of T, by location."""

    location: Float[Array, "location axis"]
    columns: Float[Array, "location column"]


def move(plan: Plan, x: Members, summands: Summands) -> Members:
    """x + Σ_m X'_m T[m, n] at every point, T the tapered sum of the summands."""
    n = len(x)
    index = blocks(plan, n * n, devices.parts())

    def weigh(block: Block[None], A: Array, summands: Summands) -> tuple[Array, None]:
        T = tapered(plan, block.position, *summands)
        return product(A, T.reshape(*T.shape[:2], n, n)), None

    def touched(block: Block[None], summands: Summands) -> Array:
        return (plan.taper.horizontal(block.position, summands.location) > 0).any()

    start = np.zeros(len(index), np.int32)
    return combine(plan, x, LocalAnalyses(index, start, None, summands, weigh, touched))[0]


def analyse(
    plan: Plan, x: Members, hx: Array, y: Array, scale: Array, batch_locations: int
) -> Members:
    """The analysis by one batch of locations after the other, each with the ensemble as it is then.

    Arguments:
        hx: (member, obs) members in observation space.
        y: (member, obs) perturbed observations.
        scale: (obs,) one over error_std √(n - 1).
        batch_locations: Number of locations of a batch.
    """
    size = min(batch_locations, len(plan.location))
    pad = -len(plan.location) % size
    location = jnp.asarray(np.pad(plan.location, ((0, pad), (0, 0)), "edge"), plan.dtype)
    hx, y, scale = (jnp.moveaxis(by_cell(plan, v.T), -1, 0) for v in (hx, y, scale[None]))

    def batch_at(start: Array, hx: Array) -> Batch:
        def take(v: Array) -> Array:
            v = jnp.pad(v * scale, ((0, 0),) * 3 + ((0, pad),))
            return jnp.moveaxis(jax.lax.dynamic_slice_in_dim(v, start, size, 3), 0, -1)

        near = jax.lax.dynamic_slice_in_dim(location, start, size)
        return Batch(near, take(hx - hx.mean(0, keepdims=True)), take(y - hx))

    def assimilate(
        ensemble: tuple[Members, Array], start: Array
    ) -> tuple[tuple[Members, Array], None]:
        x, hx = ensemble
        batch = batch_at(start, hx)
        summands = Summands(batch.location, pair_weights(plan, batch))
        moved = move(observation_plan(plan), hx.reshape(len(hx), -1), summands)
        return (move(plan, x, summands), devices.gather(moved).reshape(hx.shape)), None

    starts = jnp.arange(0, len(plan.location), size)
    if len(starts) == 1:
        return assimilate((x, hx), starts[0])[0][0]
    return jax.lax.scan(assimilate, (x, hx), starts)[0][0]


def enkf(
    problem: Problem,
    *,
    length_scale_km: Kilometres | None = 800.0,
    length_scale_sites: Sites | None = None,
    vertical_scale: LogPressure | None = 0.5,
    inflation: Positive = 1.0,
    rtps: Annotated[float, Ge(0), Le(1.5)] = 0.5,
    rtpp: Annotated[float, Ge(0), Le(1)] = 0.0,
    r_inflation: Positive = 1.0,
    batch_size: Times = 1024,
    sampler: Sampler | None = None,
) -> Filter:
    """The ensemble Kalman filter with perturbed observations, its covariances localised.

    Arguments:
        length_scale_km, length_scale_sites: Length scale of the Gaspari-Cohn taper, which ends at
            3.65 times it: in km on the sphere, in sites elsewhere. None: no taper.
        vertical_scale: Scale of the vertical taper in ln p; variables without a level count as at
            1000 hPa. None: no taper.
        inflation: Factor on the anomalies of the analysis.
        rtps: Share of the way back to the prior's spread (relaxation to prior spread); 0: none,
            above 1: wider than it.
        rtpp: Weight of the prior's anomalies in those of the analysis (relaxation to prior
            perturbations); needs rtps 0.
        r_inflation: Factor on the observation error variances that the analysis assumes.
        batch_size: Number of observations in one solve. More are assimilated batch after batch of
            locations, which with localisation is not quite the same as all at once.
        sampler: Sampler of the forecast; None is the model's own.
    Source: Burgers, van Leeuwen & Evensen (1998), MWR 126, 1719-1724; the sample mean of the
        perturbations is removed.
    """
    layout, network = problem.model.layout, with_error_variances(problem.network, r_inflation)
    inflate = analysis_inflation(inflation, rtps, rtpp)
    taper = localisation(layout, length_scale_km, length_scale_sites, vertical_scale)
    plan = make_plan(layout, network.table, taper)
    batch_locations = max(1, batch_size // (plan.observation.shape[0] * plan.observation.shape[1]))

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        keys, key = split_key(key, len(carry.x))
        prior, info = forecast(problem, keys, carry.x, obs.time, sampler)

        hx = observed(network, prior)
        scale = scaled(hx, obs, network).scale
        e = perturbations(key, len(prior), network.size) * jnp.asarray(network.error_std)[None]
        y = obs.masked(obs.y).astype(e.dtype)[None] + e
        x = analyse(plan, prior, hx, y, scale, batch_locations)
        return Ensemble(inflate(x, prior)), info | background(hx, prior)

    return Filter(Ensemble, step, least=2)
