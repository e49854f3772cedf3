"""Lorenz-63 against its fixed points and DAPPER's climate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dabench.systems.toys.lorenz63 import lorenz63, tendency


def test_the_fixed_points():
    c = np.sqrt(8 / 3 * 27)
    for x in ([0, 0, 0], [c, c, 27], [-c, -c, 27]):
        np.testing.assert_allclose(tendency(jnp.asarray(x, float), 10, 28, 8 / 3), 0, atol=1e-13)


def test_climate_is_the_published_one():
    """DAPPER's climatology has rms 8.5337 per run of 937 cycles (standard error 0.0074)."""
    climate = np.asarray(lorenz63().climate)
    # 1000 independent states of variables with a kurtosis of 2.3, x and y as good as one
    tolerance = 4 * np.hypot(0.0074, 8.53 * np.sqrt(1.3 / 1000) / 2)
    assert np.sqrt(climate.var(0).mean()) == pytest.approx(8.5337, abs=tolerance)


def test_members_start_around_the_published_point():
    draws = jax.vmap(lorenz63().prior)(jax.random.split(jax.random.key(0), 4000))
    np.testing.assert_allclose(draws.mean(0), [1.509, -1.531, 25.46], atol=4 * np.sqrt(2 / 4000))
    np.testing.assert_allclose(draws.var(0), 2, rtol=4 * np.sqrt(2 / 4000))
