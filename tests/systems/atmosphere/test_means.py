"""Global means that obey their relation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.systems.atmosphere import means
from dabench.systems.atmosphere.atmosphere import Statistics
from dabench.systems.atmosphere.grid import grid, sphere_noise
from dabench.systems.held_suarez.channels import HELD_SUAREZ
from dabench.systems.sphere.gaussian import area_weights

NAMES = [c.name for c in HELD_SUAREZ.channels]
LEADING = [i for i, name in enumerate(NAMES) if "temperature" in name]
FOLLOWING = [i for i, name in enumerate(NAMES) if name == means.FOLLOWING]
KEPT = NAMES.index(means.KEPT)


@pytest.fixture(scope="module")
def slopes():
    return np.random.default_rng(0).standard_normal((len(FOLLOWING), len(LEADING)))


@pytest.fixture(scope="module")
def matrix(slopes):
    """The relation of frames whose means of geopotential follow those of temperature exactly."""
    rng = np.random.default_rng(1)
    frames = rng.standard_normal((200, 24, 1024))
    frames[:, FOLLOWING, 0] = frames[:, LEADING, 0] @ slopes.T
    ones = np.ones(24)
    return means.relation(HELD_SUAREZ, [frames], Statistics(0 * ones, ones, ones))


def test_slopes_are_those_of_the_frames(matrix, slopes):
    np.testing.assert_allclose(matrix[np.ix_(FOLLOWING, LEADING)], slopes, atol=1e-10)


def test_replacing_the_means_twice_is_replacing_them_once(matrix):
    np.testing.assert_allclose(matrix @ matrix, matrix, atol=1e-12)


def test_projection_replaces_the_means_and_nothing_else(matrix, slopes):
    noise = means.ConservingNoise(4.0, matrix)
    x = jax.random.normal(jax.random.key(0), (2, 24, noise.points))
    plain, ours = (np.asarray(n.project(x), float) for n in (sphere_noise(4.0), noise))
    change = ours - plain
    np.testing.assert_allclose(change, change[..., :1] * np.ones_like(change), atol=1e-5)
    lat, lon = grid(4.0)
    coefficients = sphere_noise(4.0).analyse(jnp.asarray(ours, jnp.float32))
    found = np.asarray(coefficients[..., 0]) / np.sqrt(4 * np.pi)
    np.testing.assert_allclose(found[:, KEPT], 0, atol=1e-5)
    np.testing.assert_allclose(found[:, FOLLOWING], found[:, LEADING] @ slopes.T, atol=1e-4)
    # The same, to the accuracy of cells for an integral, by areas.
    area = np.repeat(area_weights(lat) / 2 / len(lon), len(lon))
    np.testing.assert_allclose(ours @ area, found, atol=2e-3)
    np.testing.assert_allclose(noise.project(ours), ours, atol=1e-4)
