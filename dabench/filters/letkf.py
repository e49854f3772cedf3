"""The local ensemble transform Kalman filter: each point from the observations around it."""

from typing import Annotated, NamedTuple

import jax.numpy as jnp
from annotated_types import Ge, Gt
from jaxtyping import Array, Float, Key

from dabench.filters.base import Filter, Info, Problem, split_key
from dabench.filters.forecast import background, forecast
from dabench.filters.inflate import (
    Consistency,
    adapt,
    multiply,
    relax_to_prior_spread,
    rotate,
)
from dabench.filters.local import make_plan
from dabench.filters.localise import localisation
from dabench.filters.moments import anomalies, scaled, wide
from dabench.filters.routes import Route, analyse
from dabench.observe import Observation
from dabench.systems.base import Members, Sampler

Positive = Annotated[float, Gt(0)]


class Carry(NamedTuple):
    """Equally weighted members, and the covariance inflation of each unit and level."""

    x: Members
    inflation: Float[Array, "unit level"]


class SquareRoot(NamedTuple):
    r"""The symmetric square root update, as weights of the prior's anomalies in its increments.

        C = I + λ SᵀS      T = λ C⁻¹ Sᵀd 1ᵀ + √λ (C^-½ - I) + (√λ - 1) I

    with λ = 1 unless inflation is adaptive. C^-½ - I = -U diag(g / (s (1 + s))) Uᵀ, s = √(1 + g),
    from the eigenvalues g of λ SᵀS; they are also those of λ SSᵀ, with U = Sᵀ V / √(g / λ).
    Source: Hunt, Kostelich & Szunyogh (2007), arXiv:physics/0511236, equations 20 to 25.
    """

    adaptive: bool

    def moments(self, G: Array, g: Array, own: Array, fit: Consistency) -> tuple[Array, Array]:
        """See `routes.Solver`. Rounding of G leaves the mean alone: it is centred both ways."""
        inflation = adapt(own, fit) if self.adaptive else own
        lam = inflation[..., None, None]
        G, g = (v - v.mean(-2, keepdims=True) for v in (G, g))
        gram, U = jnp.linalg.eigh(lam * (G - G.mean(-1, keepdims=True)))
        gram = jnp.maximum(gram, 0)[..., None, :]
        s = jnp.sqrt(1 + gram)
        mean = lam * ((U / s**2) @ (U.mT @ g))
        return _weights(mean, -(U * (gram / (s * (1 + s)))) @ U.mT, lam), inflation

    def rows(self, S: Array, d: Array, own: Array, fit: Consistency) -> tuple[Array, Array]:
        """See `routes.Solver`."""
        if S.shape[-2] > S.shape[-1]:
            return self.moments(S.mT @ S, S.mT @ d, own, fit)
        inflation = adapt(own, fit) if self.adaptive else own
        lam = inflation[..., None, None]
        gram, U = jnp.linalg.eigh(lam * (S @ S.mT))
        gram = jnp.maximum(gram, 0)[..., None, :]
        s, V = jnp.sqrt(1 + gram), S.mT @ U
        mean = lam * ((V / s**2) @ (U.mT @ d))
        return _weights(mean, -lam * ((V / (s * (1 + s))) @ V.mT), lam), inflation


def _weights(mean: Array, deviations: Array, lam: Array) -> Array:
    """T from the mean's weights and from C^-½ - I."""
    root, n = jnp.sqrt(lam), mean.shape[-2]
    return mean + root * deviations + (root - 1) * jnp.eye(n, dtype=mean.dtype)[(None,) * 2]


def letkf(
    problem: Problem,
    *,
    length_scale_km: Positive | None = 800.0,
    length_scale_sites: Positive | None = None,
    vertical_scale: Positive | None = 0.5,
    truncation: Annotated[float, Ge(0)] = 0.0,
    batch: Annotated[int, Ge(1)] = 1,
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
        inflation: Factor on the anomalies of the analysis.
        rtps: Share of the way back to the prior's spread; see `inflate.relax_to_prior_spread`.
        adaptive: Whether to estimate an inflation of the prior from the innovations, at each point.
        rotation: Whether to rotate the analysis ensemble at random.
        route: `pairs` or `rows` of `routes`; `auto` is the cheaper one.
        sampler: Of the forecast; None is the model's own.
    Source: Hunt, Kostelich & Szunyogh (2007), Physica D 230, 112-126.
    """
    taper = localisation(
        problem.model.layout, length_scale_km, length_scale_sites, vertical_scale, truncation
    )
    plan = make_plan(problem.model.layout, problem.network.table, taper, batch)
    solver = SquareRoot(adaptive)

    def init(x: Members) -> Carry:
        return Carry(x, jnp.ones((len(plan.position), len(plan.levels)), wide()))

    def step(key: Key[Array, ""], carry: Carry, obs: Observation) -> tuple[Carry, Info]:
        keys, key = split_key(key, len(carry.x))
        prior, info = forecast(problem, keys, carry.x, obs.time, sampler)

        seen = scaled(prior, obs.y, problem.network)
        increment, factor = analyse(
            plan, anomalies(prior), seen.S, seen.d[None], solver, carry.inflation, route
        )
        x = multiply(relax_to_prior_spread(prior + increment, prior, rtps), inflation)
        x = rotate(key, x) if rotation else x
        if adaptive:
            info = info | {"inflation": factor.mean()}
        return Carry(x, factor), info | background(seen.hx, prior)

    return Filter(init, step)
