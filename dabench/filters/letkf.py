"""The local ensemble transform Kalman filter: each point from the observations around it."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax.numpy as jnp
from annotated_types import Ge, Gt
from jaxtyping import Array, Float, Key

from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast, observed
from dabench.filters.local.gramian import Functions, product, times
from dabench.filters.local.inflation import (
    Consistency,
    adapt,
    multiply,
    relax_to_prior_spread,
    rotate,
)
from dabench.filters.local.moments import scaled
from dabench.filters.local.plan import make_plan
from dabench.filters.local.routes import Local, Route, analyse
from dabench.filters.local.taper import localisation
from dabench.observe.network import Observation

Positive = Annotated[float, Gt(0)]


class Carry(NamedTuple):
    """Equally weighted members, and the covariance inflation of each unit and level."""

    x: Members
    inflation: Float[Array, "unit level"]


class SquareRoot(NamedTuple):
    r"""The symmetric square root update, as weights of the prior's anomalies in its increments.

        C = I + λ SᵀS      T = λ C⁻¹ Sᵀd 1ᵀ + √λ (C^-½ - I) + (√λ - 1) I

    with λ = 1 unless inflation is adaptive. C^-½ - I = -G φ(G) with G = λ SᵀS and
    φ(g) = 1 / (s (1 + s)), s = √(1 + g), which is also -λ Sᵀ φ(λ SSᵀ) S.
    Source: Hunt, Kostelich & Szunyogh (2007), arXiv:physics/0511236, equations 20 to 25.
    """

    adaptive: bool

    def moments(
        self, A: Array, G: Array, g: Array, own: Array, fit: Consistency
    ) -> tuple[Array, Array]:
        """See `routes.Solver`. Rounding of G leaves the mean alone: its deviations are centred."""
        inflation = adapt(own, fit) if self.adaptive else own
        lam = inflation[..., None, None].astype(G.dtype)
        both = jnp.concatenate([A, (lam * g).mT.astype(A.dtype)], -2)
        both = times(both, lam * G, _functions(A, lambda g, s: -g / (s * (1 + s))))
        deviations, weights = jnp.split(both, [A.shape[-2]], -2)
        deviations = deviations - deviations.mean(-1, keepdims=True)
        return _increments(A, product(A, weights.mT), deviations, lam), inflation

    def rows(
        self, A: Array, S: Array, d: Array, own: Array, fit: Consistency
    ) -> tuple[Array, Array]:
        """See `routes.Solver`."""
        if S.shape[-2] > S.shape[-1]:
            return self.moments(A, S.mT @ S, S.mT @ d, own, fit)
        inflation = adapt(own, fit) if self.adaptive else own
        lam = inflation[..., None, None]
        seen = product(A, S.mT).astype(A.dtype)
        both = jnp.concatenate([seen, d.mT.astype(A.dtype)], -2)
        both = times(both, lam * (S @ S.mT), _functions(A, lambda g, s: -1 / (s * (1 + s))))
        deviations, weights = jnp.split(both, [A.shape[-2]], -2)
        deviations, lam = product(deviations, lam * S), lam
        return _increments(A, lam * product(seen, weights.mT), deviations, lam), inflation


def _functions(A: Array, deviations: Callable[[Array, Array], Array]) -> Functions:
    """Of g and s = √(1 + g) for the rows of A, and 1 / (1 + g) for one more row."""
    rows = A.shape[-2]

    def functions(g: Array) -> Array:
        f = deviations(g, jnp.sqrt(1 + g))[..., None], 1 / (1 + g)[..., None]
        return jnp.concatenate([jnp.broadcast_to(f[0], (*g.shape, rows)), f[1]], -1)

    return functions


def _increments(A: Array, mean: Array, deviations: Array, lam: Array) -> Array:
    """A T from the mean's increments and A (C^-½ - I)."""
    root = jnp.sqrt(lam)
    return mean + root * deviations + (root - 1) * A


def letkf(
    problem: Problem,
    *,
    length_scale_km: Positive | None = 800.0,
    length_scale_sites: Positive | None = None,
    vertical_scale: Positive | None = 0.5,
    truncation: Annotated[float, Ge(0)] = 0.0,
    batch: Annotated[int, Ge(1)] = 1,
    weight_stride: Annotated[int, Ge(1)] = 1,
    inflation: Positive = 1.0,
    rtps: Annotated[float, Ge(0)] = 0.5,
    adaptive: bool = False,
    rotation: bool = False,
    route: Route = "auto",
    sampler: Sampler | None = None,
) -> Filter:
    """A deterministic ensemble Kalman filter, localised by the error variance of observations.

    Arguments:
        length_scale_km, length_scale_sites: Of the Gaspari-Cohn taper, which ends at 3.65 of them;
            the first counts on the sphere, the second elsewhere. None reaches everywhere.
        vertical_scale: The same in ln p; what has no level counts as 1000 hPa.
        truncation: Tapers below it count as zero.
        batch: Neighbouring points that are analysed as one, at their mean distance.
        weight_stride: Analyse every so many-th point each way, and interpolate the weights of the
            others; see `nodes.make_nodes`.
        inflation: Factor on the anomalies of the analysis.
        rtps: Share of the way back to the prior's spread; see `inflate.relax_to_prior_spread`.
        adaptive: Whether to estimate an inflation of the prior from the innovations, at each point.
        rotation: Whether to rotate the analysis ensemble at random.
        route: `pairs`, `rows` or `levels` of `routes`; `auto` is the cheapest.
        sampler: Of the forecast; None is the model's own.
    Source: Hunt, Kostelich & Szunyogh (2007), Physica D 230, 112-126.
    """
    taper = localisation(
        problem.model.layout, length_scale_km, length_scale_sites, vertical_scale, truncation
    )
    plan = make_plan(problem.model.layout, problem.network.table, taper, batch, weight_stride)
    solver = SquareRoot(adaptive)

    def init(x: Members) -> Carry:
        return Carry(x, jnp.ones((len(plan.position), len(plan.levels)), wide()))

    def finish(prior: Array, increment: Array) -> Array:
        return multiply(relax_to_prior_spread(prior + increment, prior, rtps), inflation)

    def step(key: Key[Array, ""], carry: Carry, obs: Observation) -> tuple[Carry, Info]:
        keys, key = split_key(key, len(carry.x))
        prior, info = forecast(problem, keys, carry.x, obs.time, sampler)

        hx = observed(problem.network, prior)
        seen = scaled(hx, obs.y, problem.network)
        x, factor = analyse(
            plan, prior, Local(seen.S, seen.d[None], carry.inflation), solver, finish, route=route
        )
        x = rotate(key, x) if rotation else x
        if adaptive:
            info = info | {"inflation": factor.mean()}
        return Carry(x, factor), info | background(hx, prior)

    return Filter(init, step, least=2)
