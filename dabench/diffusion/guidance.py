"""The posterior denoiser E[target | z, y]: one Kalman update inside every denoising step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt
from jaxtyping import Array, Bool, Float

from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion import precondition
from dabench.diffusion.krylov import Operator, Solver, solve
from dabench.diffusion.model import DiffusionModel
from dabench.diffusion.precondition import Preconditioner

DENSE_LIMIT = 2000  # observations up to which H V Hᵀ is made as a matrix

Observe = Callable[[Float[Array, "state"]], Float[Array, "obs"]]

Map = Callable[[Float[Array, "member a"]], Float[Array, "member b"]]


@dataclass(frozen=True)
class GuidanceSettings:
    """How to condition a denoiser on observations.

    Arguments:
        solver, iterations: See `krylov.solve`; the paper takes two BiCGStab iterations.
        product: How products with Cov[target | z] = sigma² J C are made: `vjp`, sigma² C (Jᵀ w), or
            `jvp`, sigma² J (C w). Equal for an exact denoiser.
        sigma_guide: Noise level above which there is no guidance (and no work); None: always on.
        prior_variance: Variance of the target given x in units of the noise's, for a preconditioner
            (see `precondition`) that makes few iterations enough; None: no preconditioner.
    """

    solver: Solver = "bicgstab"
    iterations: Annotated[int, Ge(1)] = 2
    product: Literal["vjp", "jvp"] = "vjp"
    sigma_guide: Annotated[float, Gt(0)] | None = None
    prior_variance: Annotated[float, Gt(0)] | None = None

    @property
    def products(self) -> int:
        """Jacobian products of one evaluation."""
        return self.iterations * {"cg": 1, "bicgstab": 2}[self.solver]


class Condition(NamedTuple):
    """What a draw is conditioned on: y = h(x') + N(0, R), and how.

    Arguments:
        h: (state,) -> (obs,) for one member, differentiable.
        error_std: (obs,) standard deviations of the errors; R = diag(error_std^2).
        y: (obs,) observed values, in their own units.
        settings: How to solve.
        preconditioner: Preconditioner of the solve, as `prepare` makes it for these settings.
    """

    h: Observe
    error_std: np.ndarray
    y: Float[Array, "obs"]
    settings: GuidanceSettings = GuidanceSettings()
    preconditioner: Preconditioner | None = None


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
        climate: States of the climate; a preconditioner linearises h at the first.
    """
    condition = Condition(h, error_std, jnp.zeros(len(error_std), model.layout.dtype), settings)
    if settings.prior_variance is None:
        return condition
    x = climate[0]
    rows = jnp.broadcast_to(x[None], (precondition.BATCH, len(x)))
    z = jnp.zeros((len(rows), model.target_size), x.dtype)
    _, H = _observe(model, condition, z, rows)
    preconditioner = precondition.build(
        model.noise_factor, H.observe, H.spread_back, settings.prior_variance, x.dtype
    )
    return condition._replace(preconditioner=preconditioner)


def posterior_mean(
    model: DiffusionModel,
    condition: Condition,
    denoise: Map,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
) -> tuple[Float[Array, "member target"], Bool[Array, "member"]]:
    r"""E[target | z, y] and which solves were guarded.

        D_y = D + V Hᵀ u,   (I + H V Hᵀ) u = R^-½ (y - h(D)),   V = Cov[target | z] = σ² J C

    with H the Jacobian of R^-½ h at D: observations are in units of their errors, so that the
    solver's guards have no scale. The solver carries V Hᵀ u along, so this costs one linearisation
    of the denoiser and the solver's products, no more.

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
    D, covariance = _tweedie(model, denoise, sigma, z, settings.product)
    innovation, H = _observe(model, condition, D, x)
    inverse = M.inverse(sigma, H.observe, H.spread_back) if M else lambda r: r
    kalman = _kalman_operator(H, covariance)
    solution = solve(kalman, innovation, settings.solver, settings.iterations, inverse)
    return D + solution.image, solution.guarded


def log_evidence(
    model: DiffusionModel,
    condition: Condition,
    denoise: Map,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
) -> tuple[Float[Array, "member"], Float[Array, "member target"]]:
    """log N(y; h(D), R + H V Hᵀ) up to a constant, in float64, and D.

    H V Hᵀ is made with one product an observation, symmetrised, and its negative eigenvalues (which
    an exact denoiser does not have) are set to zero. Arguments are those of `posterior_mean`.
    """
    D, covariance = _tweedie(model, denoise, sigma, z, condition.settings.product)
    innovation, H = _observe(model, condition, D, x)
    apply = _kalman_operator(H, covariance)
    unit = jnp.eye(innovation.shape[1], dtype=z.dtype)
    columns = jax.lax.map(
        lambda e: apply(jnp.broadcast_to(e[None], innovation.shape))[0], unit, batch_size=64
    )
    S = jnp.moveaxis(columns, 0, -1).astype(wide())
    lam, U = jnp.linalg.eigh((S + S.mT) / 2)
    lam = jnp.maximum(lam, 1)
    along = (innovation[:, None].astype(wide()) @ U)[:, 0]
    return -0.5 * (along**2 / lam + jnp.log(lam)).sum(-1), D


class Jacobian(NamedTuple):
    """H and Hᵀ in units of the observations' errors, a row a member."""

    observe: Map
    spread_back: Map


def _tweedie(
    model: DiffusionModel, denoise: Map, sigma: Array, z: Array, product: str
) -> tuple[Float[Array, "member target"], Map]:
    """D and w -> V w, from one linearisation."""
    if product == "jvp":
        D, push = jax.linearize(denoise, z)
        return D, lambda w: sigma**2 * push(model.noise_cov(w))
    D, pull = jax.vjp(denoise, z)
    return D, lambda w: sigma**2 * model.noise_cov(pull(w)[0])


def _observe(
    model: DiffusionModel, condition: Condition, target: Float[Array, "member target"], x: Members
) -> tuple[Float[Array, "member obs"], Jacobian]:
    """The innovation (y - h(x')) / std of clean targets, and the Jacobian of h / std there."""
    std = jnp.asarray(condition.error_std, x.dtype)[None]
    hx, push = jax.linearize(lambda z: jax.vmap(condition.h)(model.next_state(z, x)), target)
    pull = jax.linear_transpose(push, target)
    innovation = (condition.y[None] - hx) / std
    return innovation, Jacobian(lambda z: push(z) / std, lambda u: pull(u / std)[0])


def _kalman_operator(H: Jacobian, covariance: Map) -> Operator:
    """u -> ((I + H V Hᵀ) u, V Hᵀ u)."""

    def apply(u: Float[Array, "member obs"]) -> tuple[Array, Array]:
        v = covariance(H.spread_back(u))
        return u + H.observe(v), v

    return apply
