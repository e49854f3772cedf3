import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.polynomial import legendre as polynomials

from dabench.core.errors import UserError
from dabench.systems.sphere import harmonics
from dabench.systems.sphere.noise import SphereNoise

LMAX = 10
LATITUDE, LONGITUDE = np.linspace(-90, 90, 13), np.arange(24) * 15.0
FINE = np.linspace(-90, 90, 25), np.arange(48) * 7.5


@pytest.fixture(scope="module")
def noise() -> SphereNoise:
    return SphereNoise(LATITUDE, LONGITUDE, LMAX)


def points() -> np.ndarray:
    lat, lon = (
        a.ravel() for a in np.meshgrid(np.deg2rad(LATITUDE), np.deg2rad(LONGITUDE), indexing="ij")
    )
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def identity(n: int):
    return jnp.eye(n)


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
    first = noise.synthesise(identity(noise.harmonics.size))[:4]
    scale = np.sqrt(3 / (4 * np.pi))
    expected = [np.full_like(x, np.sqrt(1 / (4 * np.pi))), scale * z, -scale * x, -scale * y]
    np.testing.assert_allclose(first, expected, atol=1e-12)


def test_covariance_is_the_legendre_kernel_of_the_angle(noise):
    cosine = np.clip(points() @ points().T, -1, 1)
    kernel = polynomials.legval(cosine, np.full(LMAX + 1, 1 / (LMAX + 1)))
    covariance = noise.covariance(identity(len(cosine)))
    np.testing.assert_allclose(covariance, kernel, atol=1e-10)


def test_a_given_spectrum_weighs_the_kernel():
    power = 1.0 / (1 + np.arange(LMAX + 1)) ** 2
    cosine = np.clip(points() @ points().T, -1, 1)
    kernel = polynomials.legval(cosine, power / power.sum())
    coloured = SphereNoise(LATITUDE, LONGITUDE, LMAX, power)
    np.testing.assert_allclose(coloured.covariance(identity(len(cosine))), kernel, atol=1e-10)


def test_adjoint_is_the_transpose_and_covariance_their_product(noise):
    b = noise.colour(identity(noise.harmonics.size)).T
    np.testing.assert_allclose(noise.adjoint(identity(noise.points)), b, atol=1e-12)
    np.testing.assert_allclose(noise.covariance(identity(noise.points)), b @ b.T, atol=1e-12)


def test_default_noise_has_half_as_many_degrees_as_longitudes():
    own = SphereNoise(LATITUDE, LONGITUDE)
    assert own.harmonics.lmax == 11
    assert np.linalg.matrix_rank(own.covariance(identity(own.points))) == 144


def test_draws_have_the_covariance(noise):
    draws = noise.draw(jax.random.key(0), 4000, jnp.float64)
    found, expected = jnp.cov(draws.T), noise.covariance(identity(noise.points))
    deviation = np.sqrt((1 + np.asarray(expected) ** 2) / 4000)  # of a sample covariance
    assert np.abs(found - expected).max() < 5.5 * deviation.max()  # of 10^5 entries


def test_draws_are_the_same_field_on_every_grid(noise):
    key = jax.random.key(1)
    coarse = noise.draw(key, 2).reshape(2, 13, 24)
    fine = SphereNoise(*FINE, LMAX).draw(key, 2).reshape(2, 25, 48)
    np.testing.assert_allclose(fine[:, ::2, ::2], coarse, atol=2e-6)
    assert coarse.dtype == jnp.float32


def test_projection_is_orthogonal_onto_the_band(noise):
    p = noise.project(identity(noise.points))
    np.testing.assert_allclose(p, p.T, atol=1e-12)
    np.testing.assert_allclose(p @ p, p, atol=1e-12)
    np.testing.assert_allclose(jnp.trace(p), (LMAX + 1) ** 2, rtol=1e-12)
    c = noise.covariance(identity(noise.points))
    np.testing.assert_allclose(p @ c, c, atol=1e-12)


def test_weighted_projection_is_orthogonal_in_the_weights():
    weights = 0.1 + np.cos(np.deg2rad(LATITUDE))
    weighted = SphereNoise(LATITUDE, LONGITUDE, LMAX, weights=weights)
    p = weighted.project(identity(weighted.points)).T
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
