"""Rows times functions of matrices, against NumPy's eigh in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.filters.local.gramian import by_eigenvectors, by_series, terms_needed, times


def functions(g):
    """C^-½ - I for all rows but the last one, C⁻¹ for that."""
    s = jnp.sqrt(1 + g)
    f = jnp.broadcast_to((-g / (s * (1 + s)))[..., None], (*g.shape, 3))
    return jnp.concatenate([f, (1 / (1 + g))[..., None]], -1)


def matrices(key, m, largest, dtype):
    """(unit, m, m) of different sizes, the largest eigenvalue as given; and rows for them."""
    S = jax.random.normal(key, (5, 2, m // 2, m), "float64")
    G = S.mT @ S * jnp.logspace(-6, 0, 5)[:, None, None, None]
    G = G * largest / jnp.linalg.eigvalsh(G).max()
    return jax.random.normal(key, (5, 2, 4, m), dtype), G


def by_numpy(A, G):
    g, U = np.linalg.eigh(np.asarray(G))
    f = np.moveaxis(np.asarray(functions(jnp.maximum(g, 0))), -1, -2)
    return ((np.asarray(A, float) @ U) * f) @ np.swapaxes(U, -1, -2)


@jax.jit
def candidates(A, G):
    """The number of terms; by that series, by eigenvectors, and by what is chosen."""
    half = (jnp.sqrt((G * G).sum((-2, -1)).max()) / 2).astype(A.dtype)
    terms = terms_needed(half)
    series = by_series(A, G.astype(A.dtype), functions, half, terms, 200)
    return terms, series, by_eigenvectors(A, G, functions), times(A, G, functions)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("m", [6, 40])
def test_both_ways_are_numpys(key, m, dtype):
    for largest in (1e-9, 0.3, 30.0):
        A, G = matrices(key, m, largest, dtype)
        terms, *found = candidates(A, G)
        # a sum of so many terms of the size of A max f may lose two units of rounding in each
        size = np.abs(np.asarray(functions(largest * jnp.array([0, 1.0])))).max(0)
        size = size[:, None] * np.abs(A).max()
        tolerance = 2 * (terms + 8) * np.finfo(dtype).eps
        for by in found:
            assert by.dtype == dtype
            np.testing.assert_array_less(np.abs(by - by_numpy(A, G)) / size, tolerance)


def test_terms_are_as_many_as_are_needed(key):
    """Half of them are not enough, and twice as many are no better."""
    A, G = matrices(key, 20, 10.0, "float64")
    half = jnp.sqrt((G * G).sum((-2, -1)).max()) / 2
    terms, expected = int(terms_needed(half)), by_numpy(A, G)

    @jax.jit
    def error(n):
        return abs(by_series(A, G, functions, half, n, 2 * terms) - expected).max()

    assert error(terms // 2) > 1e3 * error(terms)
    assert error(terms) < 2 * error(2 * terms)


def test_nothing_observed_changes_nothing(key):
    A = jax.random.normal(key, (3, 1, 4, 6))
    found = times(A, jnp.zeros((3, 1, 6, 6)), functions)
    np.testing.assert_allclose(found[..., :3, :], 0, atol=1e-300)
    np.testing.assert_allclose(found[..., 3, :], A[..., 3, :], rtol=1e-15)
