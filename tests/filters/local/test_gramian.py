"""Rows times functions of matrices, against NumPy's eigh in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.filters.local.gramian import Factor, by_eigenvectors, by_series, terms_needed, times


def root_less_one(g):
    """(1 + g)^-½ - 1"""
    s = jnp.sqrt(1 + g)
    return -g / (s * (1 + s))


def inverse(g):
    return 1 / (1 + g)


FUNCTIONS = [(root_less_one, 3), (inverse, 1)]


def matrices(m, largest, dtype):
    """Four rows for each unit, and G (unit, m, m) of different sizes and one largest eigenvalue."""
    rng = np.random.default_rng(0)
    S = rng.normal(size=(5, 2, m // 2, m))
    G = S.swapaxes(-2, -1) @ S * np.logspace(-6, 0, 5)[:, None, None, None]
    G = G * largest / np.linalg.eigvalsh(G).max()
    return jnp.asarray(rng.normal(size=(5, 2, 4, m)), dtype), jnp.asarray(G)


def by_numpy(A, G):
    g, U = np.linalg.eigh(np.asarray(G))
    g = np.maximum(g, 0)[..., None, :]
    f = np.concatenate([np.expm1(-np.log1p(g) / 2)] * 3 + [1 / (1 + g)], -2)
    return ((np.asarray(A, float) @ U) * f) @ np.swapaxes(U, -1, -2)


@jax.jit
def by_times(A, G):
    return jnp.concatenate(
        times(G, Factor(A[..., :3, :], root_less_one), Factor(A[..., 3:, :], inverse)), -2
    )


@jax.jit
def candidates(A, G):
    """Number of terms, and A f(G) by that series, by eigenvectors, and by `times`."""
    half = (jnp.sqrt((G * G).sum((-2, -1)).max()) / 2).astype(A.dtype)
    terms = terms_needed(half)
    series = by_series(A, G.astype(A.dtype), FUNCTIONS, half, terms, 200)
    return terms, series, by_eigenvectors(A, G, FUNCTIONS), by_times(A, G)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("m", [6, 40])
def test_series_and_eigenvectors_agree_with_numpy(m, dtype):
    for largest in (1e-9, 0.3, 30.0):
        A, G = matrices(m, largest, dtype)
        terms, *results = candidates(A, G)
        # A sum of n terms of the size of A max f may lose two units of rounding in each.
        size = np.array([[-np.expm1(-np.log1p(largest) / 2)]] * 3 + [[1]]) * np.abs(A).max()
        tolerance = 2 * (terms + 8) * np.finfo(dtype).eps
        for result in results:
            assert result.dtype == dtype
            np.testing.assert_array_less(np.abs(result - by_numpy(A, G)) / size, tolerance)


def test_terms_are_as_many_as_are_needed():
    """Half the terms are not enough, and twice as many are no better."""
    A, G = matrices(20, 10.0, "float64")
    half = jnp.sqrt((G * G).sum((-2, -1)).max()) / 2
    terms, expected = int(terms_needed(half)), by_numpy(A, G)

    @jax.jit
    def error(n):
        return abs(by_series(A, G, FUNCTIONS, half, n, 2 * terms) - expected).max()

    assert error(terms // 2) > 1e3 * error(terms)
    assert error(terms) < 2 * error(2 * terms)


def test_without_observations_roots_are_zero_and_inverses_one(key):
    A = jax.random.normal(key, (3, 1, 4, 6))
    Af = by_times(A, jnp.zeros((3, 1, 6, 6)))
    np.testing.assert_allclose(Af[..., :3, :], 0, atol=1e-300)
    np.testing.assert_allclose(Af[..., 3, :], A[..., 3, :], rtol=1e-15)
