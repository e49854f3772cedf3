"""Cheaper numbers: what they change in the denoiser."""

import gencast_small as small
import jax
import jax.numpy as jnp
import numpy as np
from gencast_small import arguments

from dabench.systems.gencast.network.denoiser import DenoiserNetwork

BFLOAT16 = 2.0**-8
"""Relative rounding error, at most, of one operation."""


def networks(*precisions: str) -> list[DenoiserNetwork]:
    """The small network, once for each precision."""
    grid = small.LATITUDE, small.LONGITUDE
    return [DenoiserNetwork(small.CONFIG, *grid, precision=p) for p in precisions]


def test_bfloat16_activations_change_the_denoiser_by_their_rounding():
    """Some tens of roundings in a row, each of independent sign: far below 20 of one."""
    params = small.random_params(small.CONFIG, jnp.float32)
    full, half = networks("highest", "bfloat16")
    args = arguments(full, params)
    exact, rough = jax.jit(full.denoise)(*args), jax.jit(half.denoise)(*args)
    assert rough.dtype == jnp.float32
    error = jnp.sqrt(jnp.mean((exact - rough) ** 2) / jnp.mean(exact**2))
    assert 0.1 * BFLOAT16 < error < 20 * BFLOAT16


def test_tensorfloat32_is_float32_on_a_cpu():
    params = small.random_params(small.CONFIG, jnp.float32)
    full, fast = networks("highest", "tensorfloat32")
    args = arguments(full, params)
    exact, found = jax.jit(full.denoise)(*args), jax.jit(fast.denoise)(*args)
    np.testing.assert_allclose(exact, found, rtol=0, atol=3e-3)
