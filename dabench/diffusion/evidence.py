"""The density of y given the current state: what Tweedie's formula makes of pure noise."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.diffusion.guidance import Condition, KalmanUpdate, Map, kalman_update, matrix
from dabench.diffusion.model import DiffusionModel


def log_evidence(
    model: DiffusionModel,
    condition: Condition,
    denoise: Map,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
    rank: int | None = None,
) -> tuple[Float[Array, "member"], Float[Array, "member target"]]:
    """log N(y; h(D), R + H V Hᵀ) up to a constant, in float64, and D.

    Negative eigenvalues of H V Hᵀ (which an exact denoiser does not have) are set to zero.

    Arguments:
        rank: Number of directions that H V Hᵀ is made in, for two products each; others count as
            known exactly. None: all, one product an observation.

    Other arguments are those of `guidance.posterior_mean`.
    """
    errors = jnp.asarray(condition.error_std, z.dtype)
    update = kalman_update(model, condition, denoise, sigma, z, x, errors)
    d = update.innovation.astype(wide())
    if rank is None or rank >= d.shape[1]:
        lam, U = jnp.linalg.eigh(matrix(update))
    else:
        lam, U = _leading(update, rank)
    lam = jnp.maximum(lam, 1)
    along = (d[:, None] @ U)[:, 0]
    explained = (along**2 * (1 - 1 / lam)).sum(-1)
    return -0.5 * ((d**2).sum(-1) - explained + jnp.log(lam).sum(-1)), update.mean


def _leading(
    update: KalmanUpdate, rank: int
) -> tuple[Float[Array, "member direction"], Float[Array, "member obs direction"]]:
    """Rayleigh and Ritz's eigenvalues and eigenvectors of R + H V Hᵀ in units of the errors.

    The directions are the range of H V Hᵀ applied to random ones, the same for every member.
    Source: Halko, Martinsson & Tropp (2011), arXiv:0909.4061, algorithms 4.1 and 5.3.
    """
    n = update.innovation.shape[1]
    random = jax.random.normal(jax.random.key(0), (n, rank), update.innovation.dtype)
    Q = jnp.linalg.qr(_spread(update, jnp.broadcast_to(random, (len(update.mean), n, rank))))[0]
    T = Q.mT @ _spread(update, Q)
    lam, turn = jnp.linalg.eigh((T + T.mT) / 2)
    return 1 + lam, Q @ turn


def _spread(
    update: KalmanUpdate, w: Float[Array, "member obs direction"]
) -> Float[Array, "member obs direction"]:
    """H V Hᵀ w in float64, one product a direction."""
    columns = jnp.moveaxis(w, 2, 0).astype(update.innovation.dtype)
    image = jax.lax.map(lambda u: update.jacobian.observe(update.apply(u)[1]), columns)
    return jnp.moveaxis(image, 0, 2).astype(wide())
