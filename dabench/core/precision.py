"""The widest floating-point type that JAX is set up for."""

import jax
import jax.numpy as jnp


def wide() -> jnp.dtype:
    """float64 where it is enabled."""
    return jax.dtypes.canonicalize_dtype(jnp.float64)
