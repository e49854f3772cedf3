r"""Rows times functions of small positive semi-definite matrices: A f(G), without f(G) itself.

Where the eigenvalues of G are bounded well enough this is a Chebyshev series, whose terms take one
product with G each; elsewhere it is an eigendecomposition. An analysis moves few rows with each G,
which makes the series far less work.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dabench.core.precision import wide

HIGHEST = jax.lax.Precision.HIGHEST
MOST_TERMS = 512
"""Upper limit on the terms of a series; `times` lowers it where eigenvectors are cheaper."""

Function = Callable[[Float[Array, "*g"]], Float[Array, "*g"]]
"""f(g) for g >= 0, analytic for g > -1 as (1 + g)^-½ is."""


class Factor(NamedTuple):
    """Rows A, and the f of A f(G)."""

    A: Float[Array, "*unit row m"]
    f: Function


def product(a: Array, b: Array) -> Array:
    """a @ b in full precision."""
    return jnp.matmul(a, b, precision=HIGHEST)


def times(G: Float[Array, "*unit m m"], *factors: Factor) -> list[Float[Array, "*unit row m"]]:
    """A f(G) for every factor, in the type of A; all of them share the work on G.

    Eigenvectors were measured to be cheaper than a series of more than 8 m terms, or of more than
    32 m / rows terms (m from 7 to 256).
    """
    A = jnp.concatenate([factor.A for factor in factors], -2)
    functions = [(factor.f, factor.A.shape[-2]) for factor in factors]
    rows, m = A.shape[-2:]
    most = min(MOST_TERMS, 8 * m, 32 * m // rows)
    largest = jnp.sqrt((G * G).sum((-2, -1)).max())
    half = jnp.maximum(largest, jnp.finfo(A.dtype).tiny * 2**20).astype(A.dtype) / 2
    terms = terms_needed(half)

    def series() -> Array:
        return by_series(A, G.astype(A.dtype), functions, half, terms, most)

    AfG = jax.lax.cond(terms <= most, series, lambda: by_eigenvectors(A, G, functions))
    return jnp.split(AfG, np.cumsum([count for _, count in functions])[:-1], -2)


Functions = list[tuple[Function, int]]
"""Functions and the number of consecutive rows of A that each belongs to."""


def by_row(functions: Functions, g: Float[Array, "*g"]) -> Float[Array, "*g row"]:
    """f(g) of the function of every row."""
    columns = [
        jnp.broadcast_to(values[..., None], (*g.shape, rows))
        for values, rows in [(f(g), rows) for f, rows in functions]
    ]
    return jnp.concatenate(columns, -1)


def by_eigenvectors(A: Array, G: Array, functions: Functions) -> Array:
    """Rows of A times f(G), where G = U diag(g) Uᵀ in float64."""
    g, U = jnp.linalg.eigh(G.astype(wide()))
    f = jnp.moveaxis(by_row(functions, jnp.maximum(g, 0)), -1, -2)
    return product(product(A, U) * f, U.mT).astype(A.dtype)


def terms_needed(half: Float[Array, ""]) -> Int[Array, ""]:
    """Number of terms of the series on (0, 2 half) whose remainder is below rounding.

    f is analytic inside the Bernstein ellipse that reaches to -1, so terms fall as ρ^-k with
    ρ = (√κ + 1) / (√κ - 1), κ = 1 + 2 half.
    Source: Trefethen (2019), Approximation Theory and Approximation Practice, theorem 8.1.
    """
    root = jnp.sqrt(1 + 2 * half)
    fall = jnp.log((root + 1) ** 2 / (2 * half))  # ln ρ, as κ - 1 = (√κ - 1) (√κ + 1)
    return jnp.ceil(-jnp.log(jnp.finfo(half.dtype).eps / 32) / fall).astype(int) + 1


def by_series(
    A: Array, G: Array, functions: Functions, half: Array, terms: Array, most: int
) -> Array:
    """Rows of A times f(G), as Σ_k c_k A T_k(G / half - I) by Clenshaw's recurrence.

    Arguments:
        half: Half of an upper bound of the eigenvalues of all G.
        terms, most: Number of terms, and its upper limit.
    """
    angle = np.pi * (np.arange(most) + 0.5) / most
    cosines = jnp.asarray(2 / most * np.cos(np.arange(most)[:, None] * angle), A.dtype)
    c = product(cosines, by_row(functions, half * (1 + jnp.asarray(np.cos(angle), A.dtype))))
    c = c.reshape(most, *(1,) * (A.ndim - 2), -1, 1)
    one = jnp.eye(G.shape[-1], dtype=G.dtype).reshape(*(1,) * (G.ndim - 2), *G.shape[-2:])
    twice = 2 * (G / half - one)

    def term(k: Array, later: tuple[Array, Array]) -> tuple[Array, Array]:
        return product(later[0], twice) + (c[terms - k] * A - later[1]), later[0]

    first, second = jax.lax.fori_loop(1, terms, term, (jnp.zeros_like(A),) * 2)
    return product(first, twice) / 2 + (c[0] / 2 * A - second)
