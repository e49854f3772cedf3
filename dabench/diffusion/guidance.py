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
        solver, iterations: See `solve.solve`; the paper takes two BiCGStab iterations.
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
        y: (obs,) the values that were observed, in their own units.
        preconditioner: As `preconditioner` makes it for these `settings`.
    """

    h: Observe
    error_std: np.ndarray
    y: Float[Array, "obs"]
    settings: GuidanceSettings = GuidanceSettings()
    preconditioner: Preconditioner | None = None


def preconditioner(
    model: DiffusionModel,
    h: Observe,
    error_std: np.ndarray,
    x: Float[Array, "state"],
    settings: GuidanceSettings,
) -> Preconditioner | None:
    """What `settings` ask for, made once a run; an h that is not linear is linearised at x."""
    if settings.prior_variance is None:
        return None
    rows = jnp.broadcast_to(x[None], (precondition.BATCH, len(x)))
    z = jnp.zeros((len(rows), model.target_size), x.dtype)
    condition = Condition(h, error_std, jnp.zeros(len(error_std), x.dtype), settings)
    _, observe = jax.linearize(misfit(model, condition, rows), z)
    back = jax.linear_transpose(observe, z)
    return precondition.build(
        model.noise_factor, observe, lambda r: back(r)[0], settings.prior_variance, x.dtype
    )


def misfit(model: DiffusionModel, condition: Condition, x: Members) -> Map:
    """z -> (h(x') - y) / std, the misfit of the x' that belongs to a clean target z and to x."""
    std = jnp.asarray(condition.error_std, x.dtype)

    def whitened(z: Float[Array, "member target"]) -> Float[Array, "member obs"]:
        hx = jax.vmap(condition.h)(model.next_state(z, x))
        return (hx - condition.y[None]) / std[None]

    return whitened


def posterior_mean(
    model: DiffusionModel,
    condition: Condition,
    denoise: Map,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
) -> tuple[Float[Array, "member target"], Bool[Array, "member"]]:
    r"""E[target | z, y] and which solves were guarded.

        D_y = D + V Hᵀ u,   (I + H V Hᵀ) u = -misfit(D),   V = Cov[target | z] = σ² J C

    with H the Jacobian of the whitened misfit at D, so that R = I and the solver's guards have no
    scale. The solver carries V Hᵀ u along, so this costs one linearisation of the denoiser and
    `GuidanceSettings.products` products.

    Arguments:
        denoise: D at this noise level.
        x: The current states.
    Source: Rozet et al. (2024), arXiv:2405.13712; Savary, Rozet & Louppe (2025), arXiv:2509.18811,
    equations 14-16, here with C.
    """
    guide = condition.settings
    D, residual, H, apply = _linearise(
        denoise, misfit(model, condition, x), model.noise_cov, sigma, z, guide.product
    )
    M = condition.preconditioner
    inverse = M.inverse(sigma, H.observe, H.spread_back) if M else lambda r: r
    solution = solve(apply, -residual, guide.solver, guide.iterations, inverse)
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
    an exact denoiser does not have) are set to zero.
    """
    D, residual, _, apply = _linearise(
        denoise, misfit(model, condition, x), model.noise_cov, sigma, z, condition.settings.product
    )
    unit = jnp.eye(residual.shape[1], dtype=z.dtype)
    columns = jax.lax.map(
        lambda e: apply(jnp.broadcast_to(e[None], residual.shape))[0], unit, batch_size=64
    )
    S = jnp.moveaxis(columns, 0, -1).astype(wide())
    lam, U = jnp.linalg.eigh((S + S.mT) / 2)
    lam = jnp.maximum(lam, 1)
    along = (residual[:, None].astype(wide()) @ U)[:, 0]
    return -0.5 * (along**2 / lam + jnp.log(lam)).sum(-1), D


class Jacobian(NamedTuple):
    """H and Hᵀ, row by row."""

    observe: Map
    spread_back: Map


def _linearise(
    denoise: Map, observe: Map, noise_cov: Map, sigma: Array, z: Array, product: str
) -> tuple[Float[Array, "member target"], Float[Array, "member obs"], Jacobian, Operator]:
    """D, the misfit of D, H, and u -> ((I + H V Hᵀ) u, V Hᵀ u)."""
    D, cov = _tweedie(denoise, noise_cov, sigma, z, product)
    residual, push = jax.linearize(observe, D)
    pull = jax.linear_transpose(push, D)
    H = Jacobian(push, lambda u: pull(u)[0])

    def apply(u: Float[Array, "member obs"]) -> tuple[Array, Array]:
        v = cov(H.spread_back(u))
        return u + H.observe(v), v

    return D, residual, H, apply


def _tweedie(
    denoise: Map, noise_cov: Map, sigma: Array, z: Array, product: str
) -> tuple[Float[Array, "member target"], Map]:
    """D and w -> V w, from one linearisation."""
    if product == "jvp":
        D, push = jax.linearize(denoise, z)
        return D, lambda w: sigma**2 * push(noise_cov(w))
    D, pull = jax.vjp(denoise, z)
    return D, lambda w: sigma**2 * noise_cov(pull(w)[0])
