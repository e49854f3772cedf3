"""The posterior denoiser E[target | z, y]: one Kalman update inside every denoising step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dabench.core.bounds import Positive, Times
from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion import precondition, units
from dabench.diffusion.krylov import Operator, Solver, solve
from dabench.diffusion.model import DiffusionModel
from dabench.diffusion.precondition import Preconditioner
from dabench.diffusion.units import Units

DENSE_LIMIT = 2000  # observations up to which H V Hᵀ is made as a matrix

Observe = Callable[[Float[Array, "state"]], Float[Array, "obs"]]

Map = Callable[[Float[Array, "member a"]], Float[Array, "member b"]]


@dataclass(frozen=True)
class GuidanceSettings:
    """How to condition a denoiser on observations.

    Arguments:
        solver, iterations: See `krylov.solve`; the paper takes two BiCGStab iterations, moment
            matching posterior sampling (MMPS) one of `gmres1` by default. `dps` (diffusion
            posterior sampling) solves nothing: its u is y - h(D) over its length.
        product: How products with Cov[target | z] = sigma² J C are made: `vjp`, sigma² C (Jᵀ w), or
            `jvp`, sigma² J (C w). Equal for an exact denoiser.
        covariance: C of these products: the `model`'s own, or the `identity`, as the authors'
            program has it, which is wrong where noise is correlated, but spares products with C.
        units: Units of the observations in the solve, which a few iterations feel: `errors`,
            good where these are small against the spread left; `climate`, standard deviations of
            the state's climate, as the authors' program has it, good at high noise levels; or
            `innovations`, the root of R + H Cov[target | z] Hᵀ as it would be for a target of unit
            variance, good at every level. Observations of one kind have the same solve in all.
        guarded: Whether guards stop a solve before an asymmetric J does harm; off as the authors
            have it, a solve may return anything, NaN too.
        sigma_guide: Noise level above which there is no guidance (and no work); None: always on.
        prior_variance: Variance of the target given x in units of the noise's, for a preconditioner
            (see `precondition`) that makes few iterations enough, and takes the place of `units`;
            None: no preconditioner.
    """

    solver: Solver | Literal["dps"] = "bicgstab"
    iterations: Times = 2
    product: Literal["vjp", "jvp"] = "vjp"
    covariance: Literal["model", "identity"] = "model"
    units: Literal["innovations", "errors", "climate"] = "innovations"
    guarded: bool = True
    sigma_guide: Positive | None = None
    prior_variance: Positive | None = None

    @property
    def products(self) -> int:
        """Jacobian products of one evaluation."""
        if self.solver == "dps":
            return 1
        return self.iterations * {"cg": 1, "gmres1": 1, "bicgstab": 2}[self.solver]


class Condition(NamedTuple):
    """What a draw is conditioned on: y = h(x') + N(0, R), and how.

    Arguments:
        h: (state,) -> (obs,) for one member, differentiable.
        error_std: (obs,) standard deviations of the errors; R = diag(error_std^2).
        y: (obs,) observed values, in their own units; NaN where one is missing.
        settings: How to solve.
        units: Units of the solve, as `prepare` makes them for these settings; None: of the errors.
        preconditioner: Preconditioner of the solve, as `prepare` makes it; in units of the errors.
        present: (obs,) whether each observation is there; None: all are.
    """

    h: Observe
    error_std: np.ndarray
    y: Float[Array, "obs"]
    settings: GuidanceSettings = GuidanceSettings()
    units: Units | None = None
    preconditioner: Preconditioner | None = None
    present: Bool[Array, "obs"] | None = None

    def masked(self, values: Float[Array, "member obs"]) -> Float[Array, "member obs"]:
        """Values of observations, with zero for those that are missing."""
        return values if self.present is None else jnp.where(self.present[None], values, 0)


def prepare(
    model: DiffusionModel,
    h: Observe,
    error_std: np.ndarray,
    settings: GuidanceSettings,
    climate: Float[Array, "draw state"],
) -> Condition:
    """The condition on one network's observations, made once a run; its y is to be replaced.

    Arguments:
        model: Model to be conditioned.
        h, error_std, settings: As in `Condition`.
        climate: States of the climate; an h that is not linear is linearised at the first.
    """
    condition = Condition(h, error_std, jnp.zeros(len(error_std), model.layout.dtype), settings)
    if settings.prior_variance is not None:
        return condition._replace(preconditioner=_preconditioner(model, condition, climate[0]))
    if settings.units == "innovations":
        x = climate[0] if len(climate) else jnp.zeros(model.layout.size, model.layout.dtype)
        return condition._replace(units=units.of_innovations(model, h, error_std, x))
    if settings.units == "climate":
        return condition._replace(units=units.of_climate(model, h, climate))
    return condition


def _preconditioner(
    model: DiffusionModel, condition: Condition, x: Float[Array, "state"]
) -> Preconditioner:
    settings = condition.settings
    assert settings.prior_variance is not None
    if settings.units == "climate":
        raise UserError(
            "guidance: units: climate and prior_variance exclude each other, since the "
            "preconditioner is one of observations in units of their errors; leave one of them out"
        )
    rows = jnp.broadcast_to(x[None], (precondition.BATCH, len(x)))
    z = jnp.zeros((len(rows), model.target_size), x.dtype)
    _, H = _observe(model, condition, z, rows, jnp.asarray(condition.error_std, x.dtype))
    return precondition.build(
        model.noise_factor, H.observe, H.spread_back, settings.prior_variance, x.dtype
    )


class Guided(NamedTuple):
    """The posterior denoiser at one noise level.

    Arguments:
        mean: E[target | z, y].
        guarded: Whether a guard stopped the solve.
        residual: What the solve left of the innovation, in its units, as a share; NaN where
            nothing is solved.
    """

    mean: Float[Array, "member target"]
    guarded: Bool[Array, "member"]
    residual: Float[Array, "member"]


def posterior_mean(
    model: DiffusionModel,
    condition: Condition,
    denoise: Map,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
) -> Guided:
    r"""E[target | z, y], and how the solves went.

        D_y = D + V Hᵀ u,   (R + H V Hᵀ) u = y - h(D),   V = Cov[target | z] = σ² J C

    with H the Jacobian of h at D, and observations in the units that the settings say. The solver
    carries V Hᵀ u along, so this costs one linearisation of the denoiser and the solver's products,
    no more.

    Arguments:
        model: Model to be conditioned.
        condition: Observations and settings.
        denoise: D at this noise level, a row a member.
        sigma: Noise level.
        z: Noisy targets.
        x: Current states, in physical units.
    Source: Rozet et al. (2024), arXiv:2405.13712; Savary, Rozet & Louppe (2025), arXiv:2509.18811,
    equations 14-16, here with C.
    """
    settings, M = condition.settings, condition.preconditioner
    unit = condition.units(sigma) if condition.units else condition.error_std
    update = kalman_update(model, condition, denoise, sigma, z, x, jnp.asarray(unit, z.dtype))
    if settings.solver == "dps":
        unsolved = jnp.full(len(z), jnp.nan, z.dtype)
        return Guided(update.mean + _along_gradient(update), jnp.zeros(len(z), bool), unsolved)
    H = update.jacobian
    inverse = M.inverse(sigma, H.observe, H.spread_back) if M else lambda r: r
    solution = solve(
        update.apply,
        update.innovation,
        settings.solver,
        settings.iterations,
        inverse,
        update.error_var if settings.guarded else None,
    )
    return Guided(update.mean + solution.image, solution.guarded, solution.residual)


def _along_gradient(update: "KalmanUpdate") -> Float[Array, "member target"]:
    """V Hᵀ u for u = d / |d|, d = y - h(D): sigma² C times the gradient of -|d| in z.

    Source: Chung et al. (2023), arXiv:2209.14687, whose step size is one over |d|, too.
    """
    length = jnp.sqrt((update.innovation**2).sum(-1, keepdims=True))
    return update.apply(update.innovation / jnp.where(length > 0, length, 1))[1]


def innovation_covariance(
    model: DiffusionModel,
    condition: Condition,
    denoise: Map,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
) -> Float[Array, "member obs obs"]:
    """R + H V Hᵀ in units of the observations' errors, in float64, one product an observation.

    Arguments are those of `posterior_mean`.
    """
    errors = jnp.asarray(condition.error_std, z.dtype)
    return matrix(kalman_update(model, condition, denoise, sigma, z, x, errors))


class Jacobian(NamedTuple):
    """H and Hᵀ in some units of the observations, a row a member."""

    observe: Map
    spread_back: Map


class KalmanUpdate(NamedTuple):
    """The linear system of one Kalman update, in some units of the observations.

    Arguments:
        mean: D.
        innovation: y - h(D).
        error_var: The diagonal of R.
        jacobian: H.
        apply: u -> ((R + H V Hᵀ) u, V Hᵀ u), a row a member.
    """

    mean: Float[Array, "member target"]
    innovation: Float[Array, "member obs"]
    error_var: Float[Array, "obs"]
    jacobian: Jacobian
    apply: Operator


def kalman_update(
    model: DiffusionModel,
    condition: Condition,
    denoise: Map,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
    unit: Float[Array, "obs"],
) -> KalmanUpdate:
    """The system that `posterior_mean` solves, linearised once at D.

    Arguments:
        unit: Unit of every observation; other arguments are those of `posterior_mean`.
    """
    D, covariance = _tweedie(model, denoise, sigma, z, condition.settings)
    innovation, H = _observe(model, condition, D, x, unit)
    error_var = (jnp.asarray(condition.error_std, z.dtype) / unit) ** 2

    def apply(u: Float[Array, "member obs"]) -> tuple[Array, Array]:
        v = covariance(H.spread_back(u))
        return error_var[None] * u + H.observe(v), v

    return KalmanUpdate(D, innovation, error_var, H, apply)


def matrix(update: KalmanUpdate) -> Float[Array, "member obs obs"]:
    """The matrix of the system in float64, symmetrised; one product an observation."""
    innovation = update.innovation
    unit = jnp.eye(innovation.shape[1], dtype=innovation.dtype)
    columns = jax.lax.map(
        lambda e: update.apply(jnp.broadcast_to(e[None], innovation.shape))[0], unit, batch_size=64
    )
    S = jnp.moveaxis(columns, 0, -1).astype(wide())
    return (S + S.mT) / 2


def _tweedie(
    model: DiffusionModel, denoise: Map, sigma: Array, z: Array, settings: GuidanceSettings
) -> tuple[Float[Array, "member target"], Map]:
    """D and w -> V w, from one linearisation."""
    noise_cov = model.noise_cov if settings.covariance == "model" else lambda w: w
    if settings.product == "jvp":
        D, push = jax.linearize(denoise, z)
        return D, lambda w: sigma**2 * push(noise_cov(w))
    D, pull = jax.vjp(denoise, z)
    return D, lambda w: sigma**2 * noise_cov(pull(w)[0])


def _observe(
    model: DiffusionModel,
    condition: Condition,
    target: Float[Array, "member target"],
    x: Members,
    unit: Float[Array, "obs"],
) -> tuple[Float[Array, "member obs"], Jacobian]:
    """The innovation y - h(x') of clean targets and the Jacobian of h there, both in `unit`."""
    hx, push = jax.linearize(lambda z: jax.vmap(condition.h)(model.next_state(z, x)), target)
    pull = jax.linear_transpose(push, target)
    masked = condition.masked
    innovation = masked((condition.y[None] - hx) / unit[None])
    return innovation, Jacobian(
        lambda z: masked(push(z) / unit[None]), lambda u: pull(masked(u / unit[None]))[0]
    )
