"""The linear-Gaussian truth against the stationary covariance, its advection against a shift."""

import numpy as np
from linear import matrices

from dabench.systems.toys.linear_gaussian import linear_gaussian, stationary_cov, transition


def test_advection_by_whole_sites_is_a_damped_shift():
    x = np.arange(7.0)
    np.testing.assert_allclose(transition(7, 0.9, 2.0, 0.0) @ x, 0.9 * np.roll(x, 2), atol=1e-12)


def test_stationary_covariance_solves_its_equation():
    system = linear_gaussian(size=9)
    A, Q, _ = matrices(system)
    P = stationary_cov(A, Q)
    np.testing.assert_allclose(P, A @ P @ A.T + Q, atol=1e-12)


def test_truth_is_stationary_and_depends_on_the_seed_alone():
    system = linear_gaussian(size=9)
    runs = np.stack([system.truth(seed, 3) for seed in range(600)])
    assert runs.shape == (600, 4, 9)
    np.testing.assert_array_equal(system.truth(7, 3), runs[7])
    variance = matrices(system).P[0, 0]
    # 600 independent runs; a variance estimate has relative error sqrt(2 / 600)
    assert np.all(np.abs(runs.var(0) / variance - 1) < 4.5 * np.sqrt(2 / 600))
    climate = np.var(system.climate, axis=0) / variance
    assert np.all(np.abs(climate - 1) < 4.5 * np.sqrt(2 / len(system.climate)))


def test_truth_follows_the_transition():
    system = linear_gaussian(size=9, noise_std=1e-9)
    runs = system.truth(0, 5)
    np.testing.assert_allclose(runs[1:], runs[:-1] @ matrices(system).A.T, atol=1e-7)
