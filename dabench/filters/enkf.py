"""The stochastic ensemble Kalman filter: each member has its own perturbed observations."""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Array, Float, Key, PyTree

from dabench.core import devices
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.combine import combine
from dabench.filters.local.gramian import product
from dabench.filters.local.inflation import multiply, relax_to_prior_spread
from dabench.filters.local.moments import perturbations, scaled
from dabench.filters.local.plan import Block, Plan, blocks, make_plan, observation_plan
from dabench.filters.local.routes import spread_out, tapered
from dabench.filters.local.taper import localisation
from dabench.observe.network import Observation

Positive = Annotated[float, Gt(0)]


class Batch(NamedTuple):
    """Some locations of a plan, all that is observed there in units of its error.

    Arguments:
        location: (location, axis).
        S, D: (slot, observed level, location, member) departures of members from their mean, and
            of perturbed observations from members, over error_std √(n - 1).
    """

    location: Float[Array, "location axis"]
    S: Float[Array, "slot observed_level location member"]
    D: Float[Array, "slot observed_level location member"]


def weights(plan: Plan, batch: Batch) -> Float[Array, "location column"]:
    """The summands S_on V_om of T, for `tapered`; V = (ρ ∘ SSᵀ + I)⁻¹ D.

    Columns are (observed level, n, m), summed over slots; a place without an observation has S = 0
    and D = 0, and so V = 0.
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


def move(plan: Plan, x: Members, location: Array, summands: Array) -> Members:
    """x + Σ_m X'_m T[m, n] at every point, T the tapered sum of the summands of all locations."""
    n = len(x)
    index = blocks(plan, n * n, devices.parts())

    def weigh(block: Block, A: Array, given: PyTree) -> tuple[Array, tuple[()]]:
        T = tapered(plan, block, *given)
        return product(A, T.reshape(*T.shape[:2], n, n)), ()

    def touched(block: Block, given: PyTree) -> Array:
        return (plan.taper.horizontal(block.position, given[0]) > 0).any()

    start, given = np.zeros(len(index), np.int32), (location, summands)
    return combine(plan, x, index, start, weigh, given=given, touched=touched)[0]


def analyse(
    plan: Plan, x: Members, hx: Array, y: Array, scale: Array, batch_locations: int
) -> Members:
    """The analysis by one batch of locations after the other, each with the ensemble as it is then.

    Arguments:
        hx, y: (member, obs) members in observation space, and perturbed observations.
        scale: (obs,) one over error_std √(n - 1).
        batch_locations: How many locations to take at a time.
    """
    seen = observation_plan(plan)
    size = min(batch_locations, len(plan.location))
    pad = -len(plan.location) % size
    location = jnp.asarray(np.pad(plan.location, ((0, pad), (0, 0)), "edge"), plan.dtype)
    cells = [jnp.moveaxis(spread_out(plan, v.T), -1, 0) for v in (hx, y, scale[None])]

    def one(state: tuple[Members, Array], start: Array) -> tuple[tuple[Members, Array], None]:
        x, hx = state
        _, y, scale = cells

        def take(v: Array) -> Array:
            v = jnp.pad(v * scale, ((0, 0),) * 3 + ((0, pad),))
            return jnp.moveaxis(jax.lax.dynamic_slice_in_dim(v, start, size, 3), 0, -1)

        near = jax.lax.dynamic_slice_in_dim(location, start, size)
        batch = Batch(near, take(hx - hx.mean(0, keepdims=True)), take(y - hx))
        summands = weights(plan, batch)
        moved = devices.gather(move(seen, hx.reshape(len(hx), -1), near, summands))
        return (move(plan, x, near, summands), moved.reshape(hx.shape)), None

    starts = jnp.arange(0, len(plan.location), size)
    if len(starts) == 1:
        return one((x, cells[0]), starts[0])[0][0]
    return jax.lax.scan(one, (x, cells[0]), starts)[0][0]


def enkf(
    problem: Problem,
    *,
    length_scale_km: Positive | None = 800.0,
    length_scale_sites: Positive | None = None,
    vertical_scale: Positive | None = 0.5,
    inflation: Positive = 1.0,
    rtps: Annotated[float, Ge(0)] = 0.5,
    batch_size: Annotated[int, Ge(1)] = 1024,
    sampler: Sampler | None = None,
) -> Filter:
    """The ensemble Kalman filter with perturbed observations, its covariances localised.

    Arguments:
        length_scale_km, length_scale_sites: Of the Gaspari-Cohn taper, which ends at 3.65 of them;
            the first counts on the sphere, the second elsewhere. None reaches everywhere.
        vertical_scale: The same in ln p; what has no level counts as 1000 hPa.
        inflation: Factor on the anomalies of the analysis.
        rtps: Share of the way back to the prior's spread; see `inflate.relax_to_prior_spread`.
        batch_size: Observations in one solve; more are used in turn, batch after batch of
            locations, which is a little different where they are localised.
        sampler: Of the forecast; None is the model's own.
    Source: Burgers, van Leeuwen & Evensen (1998), MWR 126, 1719-1724; the sample mean of the
        perturbations is removed.
    """
    layout, network = problem.model.layout, problem.network
    taper = localisation(layout, length_scale_km, length_scale_sites, vertical_scale)
    plan = make_plan(layout, network.table, taper)
    batch_locations = max(1, batch_size // (plan.index.shape[0] * plan.index.shape[1]))

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        keys, key = split_key(key, len(carry.x))
        prior, info = forecast(problem, keys, carry.x, obs.time, sampler)

        hx = observed(network, prior)
        seen = scaled(hx, obs.y, network)
        e = perturbations(key, len(prior), network.size) * jnp.asarray(network.error_std)[None]
        y = obs.y.astype(e.dtype)[None] + e
        x = analyse(plan, prior, hx, y, seen.scale, batch_locations)
        x = multiply(relax_to_prior_spread(x, prior, rtps), inflation)
        return Ensemble(x), info | background(hx, prior)

    return Filter(Ensemble, step, least=2)
