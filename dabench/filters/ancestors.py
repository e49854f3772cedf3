"""Ancestors moved by what the next observations say of them, as an LETKF moves members.

    y = h(μ(x)) + N(0, S),   S = R + H Q Hᵀ

observes the current state x, where μ(x) = E[x' | x] is one denoiser evaluation and Q = Cov[x' | x].
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dabench.core import devices
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion.guidance import DENSE_LIMIT, Condition, innovation_covariance
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.filters.base import Problem
from dabench.filters.climate import draws_around
from dabench.filters.local.inflation import AnalysisInflation
from dabench.filters.local.moments import scaled
from dabench.filters.local.plan import Plan, make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.square_root import SquareRoot
from dabench.filters.local.taper import Localisation
from dabench.observe.network import Network, Observation

STATES = 16  # states of the climate that the spread of a forecast is averaged over

Covariance = Literal["diagonal", "dense"]

Present = Bool[Array, "obs"] | None
"""Whether each observation is there in a cycle; None: all are."""
Whiten = Callable[[Float[Array, "row obs"], Present], Float[Array, "row obs"]]
"""v -> S^-½ v, row by row, for the covariance S given x of the observations that are there.

A combination is there if its observation is, and has no part in those that are not.
"""


class Mover(NamedTuple):
    """The ensemble transform of ancestors, for one network.

    Arguments:
        plan: Where states are analysed, and by which observations.
        inflate: Inflation of what the transform leaves.
        whiten: Combinations of observations whose errors given x are independent.
        network: The network of these combinations.
        route: How local sums are made.
    """

    plan: Plan
    inflate: AnalysisInflation
    whiten: Whiten
    network: Network
    route: Route

    def departures(self, hx: Float[Array, "member obs"], obs: Observation) -> Departures:
        """Departures of h(μ(x)) and y in units of S.

        Arguments:
            hx: h(μ(x)) of all members, in float64.
            obs: The next observations.
        """
        y = self.whiten(obs.y[None].astype(hx.dtype), obs.present)[0]
        S, d, _ = scaled(self.whiten(hx, obs.present), obs._replace(y=y), self.network)
        one = jnp.ones((len(self.plan.position), len(self.plan.levels)), wide())
        return Departures(S, d[None], one)

    def move(self, x: Members, departures: Departures) -> Members:
        """x ~ p(x | y), all frames of x with the same weights."""

        def finish(prior: Array, increment: Array) -> Array:
            return self.inflate(prior + increment, prior)

        return analyse(self.plan, x, departures, SquareRoot(False), finish, route=self.route)[0]


def mover(
    problem: Problem,
    model: DiffusionModel,
    sampler: Sampler,
    condition: Condition,
    covariance: Covariance,
    factor: float,
    taper: Localisation,
    inflate: AnalysisInflation,
    route: Route,
) -> Mover:
    """The transform with S had in one of two ways.

    Arguments:
        problem, model: Problem and its model.
        sampler: Sampler at whose highest noise level `dense` linearises the denoiser.
        condition: What draws are conditioned on, its y apart.
        covariance: `diagonal` or `dense`.
        factor: Factor on S.
        taper: How observations are localised.
        inflate, route: As in `Mover`.
    """
    network, layout = problem.network, problem.model.layout
    plan = make_plan(layout, network.table, taper)
    if covariance == "dense":
        whiten = dense(problem, model, sampler, condition, taper, factor)
    else:
        whiten = diagonal(problem, factor)
    whitened = replace(network, error_std=np.ones(network.size))
    return Mover(plan, inflate, whiten, whitened, route)


def diagonal(problem: Problem, factor: float) -> Whiten:
    """S^-½ of a diagonal S, times a factor; h(x') varies alike in all of a variable and level."""
    network = problem.network
    hx = devices.gather(jax.vmap(jax.vmap(network.h))(draws_around(problem, STATES, 2)))
    variance = np.asarray(hx, float).var(0, ddof=1).mean(0)
    alike = network.table.groupby(["variable", "level"], dropna=False).ngroup().to_numpy()
    spread = (np.bincount(alike, variance) / np.bincount(alike))[alike]
    std = jnp.asarray(np.sqrt(factor * (network.var + spread)), wide())
    return lambda v, present: v / std[None]


def dense(
    problem: Problem,
    model: DiffusionModel,
    sampler: Sampler,
    condition: Condition,
    taper: Localisation,
    factor: float,
) -> Whiten:
    """S^-½ = Λ^-½ Uᵀ R^-½ where R^-½ S R^-½ = U Λ Uᵀ, times a factor, at one state of the climate.

    Eigenvalues below one, which an exact denoiser does not have, count as one. Where observations
    may be missing, S^-½ = L⁻¹ R^-½ of those that are there, R^-½ S R^-½ = L Lᵀ, in every cycle.
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
    if problem.network.gaps:
        return _of_those_present(factor * (U * jnp.maximum(lam, 1)[None]) @ U.T, std)
    root = U / jnp.sqrt(factor * jnp.maximum(lam, 1))[None] / std[:, None]
    return lambda v, present: v @ root


def _of_those_present(S: Float[Array, "obs obs"], std: Float[Array, "obs"]) -> Whiten:
    """L⁻¹ R^-½ v, with the identity in S for what is missing, which so stays apart."""

    def whiten(v: Float[Array, "row obs"], present: Present) -> Float[Array, "row obs"]:
        there = jnp.ones(v.shape[1:], bool) if present is None else present
        both = there[:, None] & there[None]
        L = jnp.linalg.cholesky(jnp.where(both, S, jnp.eye(len(S), dtype=S.dtype)))
        v = jnp.where(there[None], v / std[None], 0)
        return jax.scipy.linalg.solve_triangular(L, v.T, lower=True).T

    return whiten


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
    if not len(problem.climate):
        raise UserError("covariance: dense needs a state of the climate, and the system has none")
