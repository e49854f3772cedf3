"""The matrices of the linear-Gaussian system, for closed forms."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from dabench.systems.base import System
from dabench.systems.toys.linear_gaussian import stationary_cov


class Matrices(NamedTuple):
    """x' = A x + q, q ~ N(0, Q), with the covariance P of the stationary distribution."""

    A: Float[np.ndarray, "state state"]
    Q: Float[np.ndarray, "state state"]
    P: Float[np.ndarray, "state state"]


def matrices(system: System) -> Matrices:
    """The matrices of a linear-Gaussian system."""
    model: Any = system.model
    A = np.asarray(jax.jacobian(model.step)(jnp.zeros(system.layout.size)))
    return Matrices(A, model.model_cov, stationary_cov(A, model.model_cov))
