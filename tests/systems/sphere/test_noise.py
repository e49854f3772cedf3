"""Noise on the sphere: its covariance in closed form, and that of its draws."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import legendre as polynomials
from small_sphere import FINE, LATITUDE, LMAX, LONGITUDE, points

from dabench.systems.sphere.noise import SphereNoise


def test_covariance_is_the_legendre_kernel_of_the_angle(noise):
    cosine = np.clip(points() @ points().T, -1, 1)
    kernel = polynomials.legval(cosine, np.full(LMAX + 1, 1 / (LMAX + 1)))
    covariance = noise.covariance(jnp.eye(len(cosine)))
    np.testing.assert_allclose(covariance, kernel, atol=1e-10)


def test_a_given_spectrum_weighs_the_kernel():
    power = 1.0 / (1 + np.arange(LMAX + 1)) ** 2
    cosine = np.clip(points() @ points().T, -1, 1)
    kernel = polynomials.legval(cosine, power / power.sum())
    coloured = SphereNoise(LATITUDE, LONGITUDE, LMAX, power)
    np.testing.assert_allclose(coloured.covariance(jnp.eye(len(cosine))), kernel, atol=1e-10)


def test_adjoint_is_the_transpose_and_covariance_their_product(noise):
    b = noise.colour(jnp.eye(noise.harmonics.size)).T
    np.testing.assert_allclose(noise.adjoint(jnp.eye(noise.points)), b, atol=1e-12)
    np.testing.assert_allclose(noise.covariance(jnp.eye(noise.points)), b @ b.T, atol=1e-12)


def test_default_noise_has_half_as_many_degrees_as_longitudes():
    own = SphereNoise(LATITUDE, LONGITUDE)
    assert own.harmonics.lmax == 11
    assert np.linalg.matrix_rank(own.covariance(jnp.eye(own.points))) == 144


def test_draws_have_the_covariance(noise):
    draws = noise.draw(jax.random.key(0), 4000, jnp.float64)
    found, expected = jnp.cov(draws.T), noise.covariance(jnp.eye(noise.points))
    deviation = np.sqrt((1 + np.asarray(expected) ** 2) / 4000)  # of a sample covariance
    assert np.abs(found - expected).max() < 5.5 * deviation.max()  # of 10^5 entries


def test_draws_are_the_same_field_on_every_grid(noise):
    key = jax.random.key(1)
    coarse = noise.draw(key, 2).reshape(2, 13, 24)
    fine = SphereNoise(*FINE, LMAX).draw(key, 2).reshape(2, 25, 48)
    np.testing.assert_allclose(fine[:, ::2, ::2], coarse, atol=2e-6)
    assert coarse.dtype == jnp.float32
