r"""Rows times functions of small positive semi-definite matrices: A f(G), without f(G) itself.

By eigenvectors, or, where G is bounded well enough, by a Chebyshev series, whose terms take one
product with G each. An analysis moves few rows with each G, so that this is far less work.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dabench.core.precision import wide

HIGHEST = jax.lax.Precision.HIGHEST
MOST_TERMS = 512
"""And no more than 8 m or 32 m / rows of them, for what eigenvectors cost (m from 7 to 256)."""

Functions = Callable[[Float[Array, "*g"]], Float[Array, "*g row"]]
"""f of each row, at numbers g >= 0; all of them analytic beyond -1, as (1 + g)^-½ is."""


def product(a: Array, b: Array) -> Array:
    """a @ b in full precision."""
    return jnp.matmul(a, b, precision=HIGHEST)


def times(
    A: Float[Array, "*unit row m"], G: Float[Array, "*unit m m"], functions: Functions
) -> Float[Array, "*unit row m"]:
    """Row i of A times f_i(G), in the type of A."""
    rows, m = A.shape[-2:]
    most = min(MOST_TERMS, 8 * m, 32 * m // rows)
    largest = jnp.sqrt((G * G).sum((-2, -1)).max())
    half = jnp.maximum(largest, jnp.finfo(A.dtype).tiny * 2**20).astype(A.dtype) / 2
    terms = terms_needed(half)

    def series() -> Array:
        return by_series(A, G.astype(A.dtype), functions, half, terms, most)

    return jax.lax.cond(terms <= most, series, lambda: by_eigenvectors(A, G, functions))


def by_eigenvectors(A: Array, G: Array, functions: Functions) -> Array:
    """As `times`; G = U diag(g) Uᵀ in float64."""
    g, U = jnp.linalg.eigh(G.astype(wide()))
    f = jnp.moveaxis(functions(jnp.maximum(g, 0)), -1, -2)
    return product(product(A, U) * f, U.mT).astype(A.dtype)


def terms_needed(half: Float[Array, ""]) -> Int[Array, ""]:
    """Of the series on (0, 2 half), to rounding: f is analytic within Bernstein's ellipse to -1.

    Terms fall as ρ^-k, ρ = (√κ + 1) / (√κ - 1), κ = 1 + 2 half.
    Source: Trefethen (2019), Approximation Theory and Approximation Practice, theorem 8.1.
    """
    root = jnp.sqrt(1 + 2 * half)
    fall = jnp.log((root + 1) ** 2 / (2 * half))  # ln ρ, as κ - 1 = (√κ - 1) (√κ + 1)
    return jnp.ceil(-jnp.log(jnp.finfo(half.dtype).eps / 32) / fall).astype(int) + 1


def by_series(
    A: Array, G: Array, functions: Functions, half: Array, terms: Array, most: int
) -> Array:
    """As `times`; Σ_k c_k A T_k(G / half - I), of so many terms, `most` at most; Clenshaw's sum."""
    angle = np.pi * (np.arange(most) + 0.5) / most
    cosines = jnp.asarray(2 / most * np.cos(np.arange(most)[:, None] * angle), A.dtype)
    c = product(cosines, functions(half * (1 + jnp.asarray(np.cos(angle), A.dtype))))
    c = c.reshape(most, *(1,) * (A.ndim - 2), -1, 1)
    one = jnp.eye(G.shape[-1], dtype=G.dtype).reshape(*(1,) * (G.ndim - 2), *G.shape[-2:])
    twice = 2 * (G / half - one)

    def term(k: Array, later: tuple[Array, Array]) -> tuple[Array, Array]:
        return product(later[0], twice) + (c[terms - k] * A - later[1]), later[0]

    first, second = jax.lax.fori_loop(1, terms, term, (jnp.zeros_like(A),) * 2)
    return product(first, twice) / 2 + (c[0] / 2 * A - second)
