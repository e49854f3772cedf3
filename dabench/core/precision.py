"""The widest floating-point type that JAX is set up for."""

import jax
import jax.numpy as jnp


def wide() -> jnp.dtype:
    """The type float64 where it is enabled, else float32."""
    return jax.dtypes.canonicalize_dtype(jnp.float64)
