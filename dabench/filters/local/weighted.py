"""The transform of weighted particles, as a `routes.Solver`: their mean and covariance."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dabench.filters.local.gramian import product
from dabench.filters.local.inflation import Consistency
from dabench.filters.particles.weights import normalise, temper


class WeightedMoments(NamedTuple):
    r"""The solver whose analysis has the mean and covariance of weighted particles.

        log w_i = α log p(y | x_i) = -α (m - 1) / 2 (G_ii - 2 g_i) + constant

    α tempers the weights of a unit and level where their effective sample size is below
    `least_ess` of the m members. See `second_order` for the transform.
    """

    least_ess: float

    def from_gram(
        self, A: Array, G: Array, g: Array, inflation: None, consistency: Consistency
    ) -> tuple[Array, None]:
        """See `routes.Solver`."""
        return self._increments(A, jnp.diagonal(G, axis1=-2, axis2=-1) - 2 * g[..., 0]), None

    def from_rows(
        self, A: Array, S: Array, d: Array, inflation: None, consistency: Consistency
    ) -> tuple[Array, None]:
        """See `routes.Solver`."""
        return self._increments(A, (S * (S - 2 * d)).sum(-2)), None

    def _increments(self, A: Array, misfit: Float[Array, "unit level m"]) -> Array:
        m = misfit.shape[-1]
        low = self.least_ess * m

        def tempered(log_w: Float[Array, "m"]) -> Float[Array, "m"]:
            return normalise(temper(log_w, low, 1.05 * low) * log_w)

        log_w = normalise_all(-0.5 * (m - 1) * misfit)
        w = jnp.exp(jax.vmap(jax.vmap(tempered))(log_w))
        return second_order(A, w.astype(A.dtype)) - A


def normalise_all(log_w: Float[Array, "unit level m"]) -> Float[Array, "unit level m"]:
    """Log-weights of every unit and level that sum to one."""
    return jax.vmap(jax.vmap(normalise))(log_w)


def second_order(
    A: Float[Array, "*unit row m"], w: Float[Array, "*unit m"]
) -> Float[Array, "*unit row m"]:
    r"""Anomalies whose mean is Σ w_i A_i and whose covariance over m is the weighted one.

        A w 1ᵀ + √m A D (I - v vᵀ) Q      v = √w, D = diag(v), e = 1 / √m
        Q = I - (e + v) (e + v)ᵀ / (1 + eᵀv) + 2 v eᵀ

    D (I - v vᵀ) is a root of diag(w) - w wᵀ, and the rotation Q from e to v takes care that the
    deviations have no mean. Equal weights change nothing.
    Source: Tödter & Ahrens (2015), MWR 143, 1347-1367, who take the symmetric root by eigenvectors.
    """
    v, e = jnp.sqrt(w)[..., None], 1 / jnp.sqrt(w.shape[-1]).astype(w.dtype)
    mean = product(A, w[..., None])
    B = A * v.mT
    B = B - product(B, v) * v.mT
    Be, ev = e * B.sum(-1, keepdims=True), e * v.sum(-2, keepdims=True)
    return mean + (B - Be * (e + v.mT) / (1 + ev)) / e  # B Q, where B v = 0
