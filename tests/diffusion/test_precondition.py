"""Preconditioned guidance where M is known: a Gaussian model whose Q is a multiple of C."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from dabench.core.layout import Channel, Layout
from dabench.diffusion import precondition
from dabench.diffusion.guidance import GuidanceSettings, posterior_mean, prepare
from dabench.diffusion.krylov import solve
from dabench.diffusion.model import NoiseFactor
from dabench.diffusion.precondition import build
from dabench.observe.network import Network
from dabench.systems.toys.additive_gaussian import AdditiveGaussian, ring_correlation

SIZE, TAU, SIGMA = 24, 0.4, 0.7
C = ring_correlation(SIZE, 2.0)
LAYOUT = Layout((Channel("x"),), {"site": np.arange(SIZE)}, dtype="float64")
SEEN = np.arange(0, SIZE, 3)
STD = np.linspace(0.05, 0.2, len(SEEN))
NETWORK = Network(lambda x: x[SEEN], STD, pd.DataFrame(), linear=True)
MODEL: Any = AdditiveGaussian(LAYOUT, lambda x: 0.9 * x, TAU * C, noise_cov_matrix=C, linear=True)
X = jnp.asarray(np.random.default_rng(0).normal(size=(3, SIZE)))
Y = jnp.asarray(np.random.default_rng(1).normal(size=len(SEEN)))


def kalman(z):
    """E[target | z, y] in matrices, for x' = 0.9 x + sqrt(tau) target."""
    gain = C @ np.linalg.inv(C + SIGMA**2 * C)  # the target has unit variance, and so covariance C
    mean, cov = z @ gain.T, C - gain @ C
    H = np.sqrt(TAU) * np.eye(SIZE)[SEEN]
    K = cov @ H.T @ np.linalg.inv(H @ cov @ H.T + np.diag(STD**2))
    return mean + (np.asarray(Y) - 0.9 * np.asarray(X)[:, SEEN] - mean @ H.T) @ K.T


@pytest.mark.parametrize("solver", ["cg", "bicgstab"])
def test_one_step_solves_a_problem_of_the_assumed_kind(solver):
    settings = GuidanceSettings(solver, 1, prior_variance=1.0)  # the target's own, in units of C
    condition = prepare(MODEL, NETWORK.h, NETWORK.error_std, settings, X)._replace(y=Y)
    z = SIGMA * X[::-1]
    denoise = MODEL.denoiser(jnp.asarray(SIGMA))
    D_y, guarded, _ = posterior_mean(
        MODEL,
        condition,
        lambda z: denoise(z, ()),
        jnp.asarray(SIGMA),
        z,
        X,
    )
    np.testing.assert_allclose(D_y, kalman(np.asarray(z)), rtol=1e-8, atol=1e-10)
    assert not guarded.any()


def test_inverse_is_that_of_the_matrix_it_stands_for_in_every_field():
    rng = np.random.default_rng(2)
    B = rng.normal(size=(7, 5))
    H = np.zeros((9, 4, 7))
    for row, field in enumerate([0, 0, 0, 1, 1, 1, 3, 3, 3]):  # field 2 is not observed
        H[row, field] = H[row - 3, field - 1] * 2 if field == 1 else rng.normal(size=7)
    flat = H.reshape(9, -1)
    factor = NoiseFactor(4, 7, 5, lambda w: w @ B.T, lambda x: x @ B)
    M = build(factor, lambda z: z @ flat.T, lambda r: r @ flat, TAU, jnp.dtype("float64"))
    assert sorted(basis.fields.tolist() for basis in M.bases) == [[0, 1], [3]]
    inverse = M.inverse(jnp.asarray(SIGMA), lambda z: z @ flat.T, lambda r: r @ flat)(jnp.eye(9))
    s = SIGMA**2 * TAU / (SIGMA**2 + TAU)
    whole = np.zeros((9, 9))
    for field in (0, 1, 3):
        G = H[:, field] @ B
        whole += G @ G.T
    np.testing.assert_allclose(inverse @ (np.eye(9) + s * whole), np.eye(9), atol=1e-10)


def a_factor(modes):
    return NoiseFactor(1, modes, modes, lambda w: w, lambda x: x)


def test_leading_directions_are_all_of_them_where_they_are_as_many_as_modes(monkeypatch):
    """Both make the same inverse, that of the matrix."""
    H = np.random.default_rng(3).normal(size=(9, 7))
    inverses = []
    for limit in (7, 6):
        monkeypatch.setattr(precondition, "MODES", limit)
        M = build(a_factor(7), lambda z: z @ H.T, lambda r: r @ H, TAU, jnp.dtype("float64"))
        inverse = M.inverse(jnp.asarray(SIGMA), lambda z: z @ H.T, lambda r: r @ H)
        inverses.append(inverse(jnp.eye(9)))
    s = SIGMA**2 * TAU / (SIGMA**2 + TAU)
    for inverse in inverses:
        np.testing.assert_allclose(inverse @ (np.eye(9) + s * H @ H.T), np.eye(9), atol=1e-10)


def test_with_more_modes_than_matrices_hold_a_few_products_solve_what_plain_steps_do_not(
    monkeypatch,
):
    """Eigenvalues fall as 1e5 / i^2: the 128 leading ones leave a condition number of about 7.

    By Chebyshev's bound 12 steps then leave 2 sqrt(7) ((sqrt(7) - 1) / (sqrt(7) + 1))^12 = 3e-4 of
    b, while the condition number without them is 1e5.
    """
    monkeypatch.setattr(precondition, "LEADING", 128)
    count, modes = 300, 4100
    rng = np.random.default_rng(4)
    V = np.linalg.qr(rng.normal(size=(count, count)))[0]
    X = jnp.asarray(V * np.sqrt(1e5) / np.arange(1, count + 1))

    def observe(z):
        return z[:, :count] @ X.T

    def spread_back(r):
        return jnp.pad(r @ X, ((0, 0), (0, modes - count)))

    sigma, b = jnp.asarray(1e3), jnp.asarray(rng.normal(size=(1, count)))
    M = build(a_factor(modes), observe, spread_back, 1.0, jnp.dtype("float64"))
    assert M.bases[0].vectors.shape == (modes, 128)
    apply = jax.jit(lambda u: (u + observe(spread_back(u)), spread_back(u)))
    plain, quick = (
        solve(apply, b, "cg", 12, inverse).residual[0]
        for inverse in (lambda r: r, M.inverse(sigma, observe, spread_back))
    )
    assert quick < 1e-3
    assert plain > 0.1
