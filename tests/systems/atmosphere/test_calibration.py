"""The calibration of a network's output by degree, and its fit."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from dabench.systems.atmosphere.atmosphere import LMAX, Statistics
from dabench.systems.atmosphere.calibration import Calibration
from dabench.systems.atmosphere.training import calibration
from dabench.systems.atmosphere.training.pairs import TrainingFrames
from dabench.systems.sphere.harmonics import degrees

CHANNELS = 2


def test_weights_are_interpolated_in_log_sigma_and_constant_beyond():
    rng = np.random.default_rng(0)
    table = Calibration(np.array([0.1, 1.0]), rng.standard_normal((2, CHANNELS, LMAX + 1, 2)))
    output, last = rng.standard_normal((2, 3, CHANNELS, (LMAX + 1) ** 2))
    middle = table.weights.mean(0)
    for sigma, weights in [(0.01, table.weights[0]), (10**-0.5, middle), (9, table.weights[1])]:
        a, b = np.moveaxis(weights[:, degrees(LMAX)], -1, 0)
        found = table.at(jnp.float32(sigma))(jnp.asarray(output), jnp.asarray(last))
        np.testing.assert_allclose(found, a * output + b * last, rtol=1e-4, atol=1e-5)


class LinearTrainer:
    """A network whose output is (target - b x) / a: the fit must find a and b."""

    settings = SimpleNamespace(seed=3)
    sphere = SimpleNamespace(std=np.ones((LMAX + 1) ** 2, np.float32))

    def __init__(self, a, b):
        self.a, self.b = a[None, :, degrees(LMAX)], b[None, :, degrees(LMAX)]

    def noisy(self, key, target, sigma):
        return target

    def denoise(self, params, batch, noisy, sigma):
        return (batch.target - self.b * batch.now) / self.a


def test_fit_finds_the_linear_combination_that_makes_the_target():
    rng = np.random.default_rng(1)
    frames = [rng.standard_normal((40, CHANNELS, (LMAX + 1) ** 2)).astype(np.float32)]
    unit = np.ones(CHANNELS)
    held = TrainingFrames(frames, Statistics(0 * unit, unit, unit), np.eye(CHANNELS))
    a, b = rng.uniform(0.5, 1.5, (2, CHANNELS, LMAX + 1))
    fitted = calibration.fit(LinearTrainer(a, b), {}, held, pairs=16)
    np.testing.assert_allclose(fitted.weights[:, :, 1:, 0], a[None, :, 1:].repeat(12, 0), atol=1e-4)
    np.testing.assert_allclose(fitted.weights[:, :, 1:, 1], b[None, :, 1:].repeat(12, 0), atol=1e-4)
    assert fitted.weights[:, :, 0].tolist() == [[[1, 0]] * CHANNELS] * 12
    assert fitted.sigma[[0, -1]] == pytest.approx([0.01, 60])
