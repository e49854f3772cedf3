"""The CRPS of an ensemble on its device, in the parts that it is made of.

Runs archive the parts where members are too many to be kept, and reports of trained networks use
the score. Archives are scored by `dabench.scores.metrics.ensemble`, which works without JAX; the
same vectors of WeatherBench 2 hold both.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.precision import wide


def crps_skill(
    x: Float[Array, "member *field"], y: Float[Array, "*field"]
) -> Float[Array, "*field"]:
    """E|X - Y|: mean absolute error over the members x, with the truth y."""
    return jnp.abs(x.astype(wide()) - y[None].astype(wide())).mean(0)


def crps_distance(x: Float[Array, "member *field"]) -> Float[Array, "*field"]:
    """E|X - X'|: mean over pairs of different members x; zero for a single one.

    Sorted members X_(k) give it as 2 / (M (M - 1)) sum_k (2k - M - 1) X_(k), k from 1.

    Source: Zamo & Naveau (2018), Math. Geosci. 50, 209.
    """
    n = len(x)
    factors = (2 * np.arange(n) + 1 - n) * 2 / (n * max(1, n - 1))
    return (jnp.sort(x, 0).astype(wide()) * factors.reshape(n, *(1,) * (x.ndim - 1))).sum(0)


def fair_crps(
    x: Float[Array, "member *field"], y: Float[Array, "*field"]
) -> Float[Array, "*field"]:
    """E|X - Y| - E|X - X'| / 2: the CRPS that infinitely many members x would have."""
    return crps_skill(x, y) - 0.5 * crps_distance(x)
