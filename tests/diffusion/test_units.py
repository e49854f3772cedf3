"""Units of the solve: which they are, and what two iterations leave where errors differ."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.diffusion import units
from dabench.diffusion.guidance import GuidanceSettings, posterior_mean, prepare
from dabench.systems.toys.additive_gaussian import AdditiveGaussian, ring_correlation

SIZE = 48
LAYOUT = Layout((Channel("state"),), {"site": np.arange(SIZE)}, periodic=True, dtype="float64")
MODEL = AdditiveGaussian(LAYOUT, lambda x: 0 * x, 4 * ring_correlation(SIZE, 2.0))
MIXED = np.where(np.arange(24) % 3, 2.0, 0.02)  # every third observation is a hundred times better


def observe(x):
    return x[::2]


def condition(settings, error_std=MIXED):
    climate = jnp.ones((2, SIZE)) * jnp.array([[-2.0], [2.0]])
    return prepare(MODEL, observe, error_std, settings, climate)


@pytest.mark.parametrize("sigma", [0.01, 1.0, 80.0])
def test_observations_of_one_kind_have_the_units_of_their_errors_to_the_bit(sigma):
    std = np.full(24, 0.3)
    unit = units.of_innovations(MODEL, observe, std, jnp.zeros(SIZE))(jnp.asarray(sigma))
    np.testing.assert_array_equal(unit, std)


@pytest.mark.parametrize("sigma", [0.01, 1.0, 80.0])
def test_units_of_innovations_are_those_of_error_and_spread_together(sigma):
    unit = units.of_innovations(MODEL, observe, MIXED, jnp.zeros(SIZE))(jnp.asarray(sigma))
    spread = sigma**2 * units.SPREAD / (sigma**2 + units.SPREAD) * 4
    expected = np.sqrt(MIXED**2 + spread)
    ratio = np.asarray(unit) / expected
    # rounding to quarters of an octave moves a variance by 2^(1/8) and a unit by 2^(1/16) at most
    assert ratio.max() / ratio.min() < 2 ** (1 / 8)


def unsolved(settings, sigma):
    """The share of the increment that a solve leaves, root mean square over 20 members."""
    P = ring_correlation(SIZE, 2.0)
    keys = jax.random.split(jax.random.key(1), 2)
    z = jax.random.normal(keys[0], (20, SIZE)) * np.sqrt(1 + sigma**2)
    y = 2 * jax.random.normal(keys[1], (24,))
    level, x = jnp.asarray(sigma), jnp.zeros((20, SIZE))
    denoise = MODEL.denoiser(level)
    given_y = condition(settings)._replace(y=y)
    D_y = posterior_mean(MODEL, given_y, lambda z: denoise(z, ()), level, z, x).mean
    G = np.linalg.solve(P + sigma**2 * np.eye(SIZE), P)
    D, V, H = np.asarray(z) @ G, sigma**2 * G, 2 * np.eye(SIZE)[::2]
    gain = V @ H.T @ np.linalg.inv(H @ V @ H.T + np.diag(MIXED**2))
    increment = (np.asarray(y) - D @ H.T) @ gain.T
    return np.linalg.norm(D_y - D - increment) / np.linalg.norm(increment)


@pytest.mark.parametrize("sigma", [0.03, 0.3, 3.0, 30.0])
def test_two_iterations_in_units_of_innovations_leave_little_at_every_level(sigma):
    left = {
        name: unsolved(GuidanceSettings("bicgstab", 2, units=name), sigma)
        for name in ("innovations", "errors", "climate")
    }
    assert left["innovations"] < 0.5
    assert left["innovations"] < 1.1 * min(left.values())


def test_units_of_the_climate_are_its_standard_deviations_or_the_models_own():
    unit = condition(GuidanceSettings(units="climate")).units
    np.testing.assert_allclose(unit(jnp.asarray(1.0)), 2.0)

    class Known(AdditiveGaussian):
        climate_std = np.full(SIZE, 3.0)

    known = Known(LAYOUT, MODEL.step, MODEL.model_cov)
    np.testing.assert_allclose(units.of_climate(known, observe, jnp.zeros((1, SIZE)))(1.0), 3.0)


def test_a_climate_that_is_not_known_is_named():
    with pytest.raises(UserError, match="use units: innovations"):
        units.of_climate(MODEL, observe, jnp.zeros((1, SIZE)))
    with pytest.raises(UserError, match="exclude each other"):
        condition(GuidanceSettings(units="climate", prior_variance=1.0))
