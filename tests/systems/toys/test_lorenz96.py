"""Lorenz-96 against DAPPER's step and climate."""

from pathlib import Path

import jax
import numpy as np
import pytest

from dabench.systems.toys.lorenz96 import lorenz96, tendency

GOLDEN = np.load(Path(__file__).parents[2] / "data" / "l96_deterministic_golden.npz")


@pytest.mark.golden
@pytest.mark.compiled
def test_one_step_is_dappers():
    step = jax.vmap(lorenz96().model.step)
    np.testing.assert_allclose(step(GOLDEN["l96_step_in"]), GOLDEN["l96_step_out"], atol=1e-13)


def test_the_fixed_point_and_what_advection_conserves(key):
    x = jax.random.normal(key, (40,))
    np.testing.assert_array_equal(tendency(np.full(40, 8.0), 8.0), 0)
    # d/dt sum x² / 2 = -sum x² + F sum x: advection does no work
    expected = -(x**2).sum() + 8 * x.sum()
    np.testing.assert_allclose((x * tendency(x, 8.0)).sum(), expected, rtol=1e-12)


def test_climate_is_the_published_one():
    """DAPPER's climatology has an error of 3.6384 ± 0.0115, the sd of the climate."""
    climate = np.asarray(lorenz96().climate)
    spread = np.sqrt(climate.var(0).mean())
    # 1000 states of some 15 independent values each: sd of the spread 3.64 / sqrt(2 * 15000)
    assert spread == pytest.approx(3.6384, abs=4 * np.hypot(0.0115, 3.64 / np.sqrt(2 * 15000)))
