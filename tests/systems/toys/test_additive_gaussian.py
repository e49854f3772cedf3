"""The exact denoiser against Bayes' rule, its noise against its covariance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.layout import Channel, Layout
from dabench.diffusion.model import DiffusionModel
from dabench.systems.toys.additive_gaussian import (
    AdditiveGaussian,
    ring_correlation,
    symmetric_root,
)
from dabench.systems.toys.linear_gaussian import linear_gaussian

SIZE = 12
LAYOUT = Layout((Channel("state"),), {"site": np.arange(SIZE)}, periodic=True, dtype="float64")


def model(noise: str) -> AdditiveGaussian:
    std = np.linspace(0.5, 2.0, SIZE)
    Q = ring_correlation(SIZE, 2.0) * np.outer(std, std)
    C = {"identity": None, "correlated": 1.7 * ring_correlation(SIZE, 1.0)}[noise]
    return AdditiveGaussian(LAYOUT, jnp.sin, Q, C)


@pytest.mark.parametrize("noise", ["identity", "correlated"])
@pytest.mark.parametrize("sigma", [0.01, 1.0, 80.0])
def test_denoiser_is_the_mean_of_the_joint_gaussian_of_target_and_z(noise, sigma, key):
    m = model(noise)
    S = np.sqrt(np.diag(m.model_cov))
    P = m.model_cov / np.outer(S, S)
    C = np.eye(SIZE) if m.noise_cov_matrix is None else m.noise_cov_matrix
    z = jax.random.normal(key, (3, SIZE))
    expected = np.linalg.solve(P + sigma**2 * C, np.asarray(z).T).T @ P
    denoised = m.denoiser(jnp.asarray(sigma))(z, m.condition(z, jnp.zeros(())))
    np.testing.assert_allclose(denoised, expected, rtol=1e-8, atol=1e-10)
    w = jnp.eye(SIZE)
    np.testing.assert_allclose(m.noise_cov(w), C, atol=1e-12)


def test_forecast_and_noise_have_the_mean_and_covariance_they_are_named_after(key):
    n, m = 40_000, model("correlated")
    x = jnp.linspace(-1, 1, SIZE)
    keys = jax.random.split(key, n)
    drawn = m.forecast(keys, jnp.broadcast_to(x, (n, SIZE)), jnp.zeros(()))
    noise = jax.vmap(m.noise)(keys)
    for draws, mean, cov in [
        (drawn, np.sin(x), m.model_cov),
        (noise, np.zeros(SIZE), m.noise_cov_matrix),
    ]:
        std = np.sqrt(np.diag(cov))
        assert np.all(np.abs(draws.mean(0) - mean) < 4.5 * std / np.sqrt(n))
        # Var of a sample covariance: (c_ij^2 + c_ii c_jj) / n
        error = np.sqrt((cov**2 + np.outer(std, std) ** 2) / n)
        assert np.all(
            np.abs(np.cov(drawn if draws is drawn else noise, rowvar=False) - cov) < 4.5 * error
        )


def test_it_meets_the_protocol_and_its_next_state_is_affine_in_z(key):
    m = model("identity")
    assert isinstance(m, DiffusionModel)
    a, b, x = jax.random.normal(key, (3, 1, SIZE))
    mid = m.next_state((a + b) / 2, x)
    np.testing.assert_allclose(mid, (m.next_state(a, x) + m.next_state(b, x)) / 2, atol=1e-14)


def turned(eigh, rng):
    """An eigh whose vectors of equal eigenvalues are turned, as another LAPACK may give them."""

    def other(matrix):
        lam, U = eigh(matrix)
        for start, end in equal_runs(lam):
            U[:, start:end] @= np.linalg.qr(rng.normal(size=(end - start,) * 2))[0]
        return lam, U

    return other


def equal_runs(lam):
    """Starts and ends of the runs of eigenvalues that are equal to rounding."""
    breaks = np.flatnonzero(np.diff(lam) > 1e-12) + 1
    return list(zip([0, *breaks], [*breaks, len(lam)], strict=True))


@pytest.mark.parametrize("noise", ["identity", "correlated"])
def test_forecasts_do_not_depend_on_the_basis_that_lapack_gives(noise, monkeypatch, key):
    """Nor does the denoiser, of which the root of the noise decides the modes.

    The covariances of a ring have pairs of equal eigenvalues. Rounding is 1e-16 of eigenvalues
    whose smallest is 1e-6 here, so 1e-13 of their roots.
    """
    systems = []
    for eigh in (np.linalg.eigh, turned(np.linalg.eigh, np.random.default_rng(0))):
        monkeypatch.setattr(np.linalg, "eigh", eigh)
        system = linear_gaussian(size=16, noise_cov=noise)
        model = system.model
        z = jax.random.normal(key, (2, 16))
        systems.append((system.truth(0, 5), model.denoiser(jnp.ones(()))(z, ())))
    for one, other in zip(*systems, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-11)


def test_the_symmetric_root_is_symmetric_and_a_root():
    cov = ring_correlation(16, 3.0)
    root = symmetric_root(cov)
    np.testing.assert_allclose(root, root.T, atol=1e-15)
    np.testing.assert_allclose(root @ root, cov, atol=1e-14)
