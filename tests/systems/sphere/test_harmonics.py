"""Harmonics against closed forms, quadrature and their own inverse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import legendre as polynomials
from small_sphere import LATITUDE, LMAX, LONGITUDE, points

from dabench.core.errors import UserError
from dabench.systems.sphere import harmonics
from dabench.systems.sphere.noise import SphereNoise


def test_legendre_functions_are_orthonormal():
    x, w = polynomials.leggauss(2 * LMAX)
    p = harmonics.legendre(x, LMAX)
    for m in range(LMAX + 1):
        np.testing.assert_allclose((p[m, m:] * w) @ p[m, m:].T, np.eye(LMAX + 1 - m), atol=1e-12)


def test_legendre_functions_stay_accurate_at_high_degree():
    """The addition theorem at zero angle: squares of each degree sum to (2l + 1) / 2."""
    p = harmonics.legendre(np.sin(np.deg2rad(np.linspace(-90, 90, 19))), 359)
    total = p[0] ** 2 + 2 * (p[1:] ** 2).sum(axis=0)
    degree = np.arange(360)[:, None]
    np.testing.assert_allclose(total / (degree + 0.5), np.ones_like(total), rtol=1e-9)


def test_low_harmonics_in_closed_form(noise):
    x, y, z = points().T
    first = noise.synthesise(jnp.eye(noise.harmonics.size))[:4]
    scale = np.sqrt(3 / (4 * np.pi))
    expected = [np.full_like(x, np.sqrt(1 / (4 * np.pi))), scale * z, -scale * x, -scale * y]
    np.testing.assert_allclose(first, expected, atol=1e-12)


def test_projection_is_orthogonal_onto_the_band(noise):
    p = noise.project(jnp.eye(noise.points))
    np.testing.assert_allclose(p, p.T, atol=1e-12)
    np.testing.assert_allclose(p @ p, p, atol=1e-12)
    np.testing.assert_allclose(jnp.trace(p), (LMAX + 1) ** 2, rtol=1e-12)
    c = noise.covariance(jnp.eye(noise.points))
    np.testing.assert_allclose(p @ c, c, atol=1e-12)


def test_weighted_projection_is_orthogonal_in_the_weights():
    weights = 0.1 + np.cos(np.deg2rad(LATITUDE))
    weighted = SphereNoise(LATITUDE, LONGITUDE, LMAX, weights=weights)
    p = weighted.project(jnp.eye(weighted.points)).T
    w = np.repeat(weights, len(LONGITUDE))
    np.testing.assert_allclose(w[:, None] * p, (w[:, None] * p).T, atol=1e-12)
    np.testing.assert_allclose(p @ p, p, atol=1e-12)


def test_analysis_inverts_synthesis(noise):
    c = jax.random.normal(jax.random.key(2), (3, noise.harmonics.size))
    np.testing.assert_allclose(noise.analyse(noise.synthesise(c)), c, atol=1e-11)
    x = jax.random.normal(jax.random.key(3), (3, noise.points))
    np.testing.assert_allclose(noise.synthesise(noise.analyse(x)), noise.project(x), atol=1e-11)


def test_a_degree_too_high_for_the_grid_is_refused():
    with pytest.raises(UserError, match=r"degree 12 does not fit .* at most 11"):
        SphereNoise(LATITUDE, LONGITUDE, 12)
