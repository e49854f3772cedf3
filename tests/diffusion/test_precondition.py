"""Preconditioned guidance where M is known: a Gaussian model whose Q is a multiple of C."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.diffusion.guidance import GuidanceSettings, posterior_mean, prepare
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


def test_too_many_modes_are_refused():
    factor = NoiseFactor(1, 5000, 5000, lambda w: w, lambda x: x)
    with pytest.raises(UserError, match=r"5000 modes a field .* use prior_variance: null"):
        build(factor, lambda z: z, lambda r: r, TAU, jnp.dtype("float64"))
