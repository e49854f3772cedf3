"""The symmetric square root of ensemble transform Kalman filters, as a `routes.Solver`."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from dabench.filters.local.gramian import Factor, product, times
from dabench.filters.local.inflation import Consistency, adapt


class SquareRoot(NamedTuple):
    r"""The solver of an ensemble transform, for S = R^-½ Y / √(k - 1) and d likewise.

        C = I + λ SᵀS      T = λ C⁻¹ Sᵀd 1ᵀ + √λ (C^-½ - I) + (√λ - 1) I

    are the weights of the increments, with inflation λ of the prior covariance (1 unless adaptive);
    T = w̄ 1ᵀ + W - I in the letters of Hunt et al. (2007). Only A C^-½ and A C⁻¹ are needed, for few
    rows A. They are functions of λ SᵀS or, where a unit has fewer observations than members, of
    λ SSᵀ:

        C^-½ - I = -G φ(G) = -λ Sᵀ φ(λ SSᵀ) S      G = λ SᵀS,  φ(g) = 1 / (s (1 + s)),  s = √(1 + g)
    """

    adaptive: bool

    def from_gram(
        self, A: Array, G: Array, g: Array, inflation: Array, consistency: Consistency
    ) -> tuple[Array, Array]:
        """See `routes.Solver`. Deviations are centred, so that rounding of G spares the mean."""
        if self.adaptive:
            inflation = adapt(inflation, consistency)
        lam = inflation[..., None, None].astype(G.dtype)
        b = (lam * g).mT.astype(A.dtype)
        root = Factor(A, lambda g: -g / _one_over_phi(g))
        deviations, weights = times(lam * G, root, Factor(b, _inverse))
        deviations = deviations - deviations.mean(-1, keepdims=True)
        return _increments(A, product(A, weights.mT), deviations, lam), inflation

    def from_rows(
        self, A: Array, S: Array, d: Array, inflation: Array, consistency: Consistency
    ) -> tuple[Array, Array]:
        """See `routes.Solver`."""
        if S.shape[-2] > S.shape[-1]:
            return self.from_gram(A, S.mT @ S, S.mT @ d, inflation, consistency)
        if self.adaptive:
            inflation = adapt(inflation, consistency)
        lam = inflation[..., None, None]
        AS, b = product(A, S.mT).astype(A.dtype), d.mT.astype(A.dtype)
        G = lam * (S @ S.mT)
        root = Factor(AS, lambda g: -1 / _one_over_phi(g))
        deviations, weights = times(G, root, Factor(b, _inverse))
        mean = lam * product(AS, weights.mT)
        return _increments(A, mean, product(deviations, lam * S), lam), inflation


def _one_over_phi(g: Array) -> Array:
    s = jnp.sqrt(1 + g)
    return s * (1 + s)


def _inverse(g: Array) -> Array:
    return 1 / (1 + g)


def _increments(A: Array, mean: Array, deviations: Array, lam: Array) -> Array:
    """A T, from the increment of the mean and A (C^-½ - I)."""
    root = jnp.sqrt(lam)
    return mean + root * deviations + (root - 1) * A
