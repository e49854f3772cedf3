"""Units of the observations in a solve of guidance: what a few iterations leave depends on them.

In units of their errors, observations that are accurate against the spread left at a noise level
dominate those that are not, and a few iterations hardly move the others.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.errors import UserError
from dabench.diffusion.model import DiffusionModel

Units = Callable[[Float[Array, ""]], Float[Array, "obs"]]
"""Noise level -> the unit of every observation, in the observation's own units."""

Observe = Callable[[Float[Array, "state"]], Float[Array, "obs"]]

SPREAD = 0.25  # variance of the target given x in units of its normalisation; a guess will do
STEPS = 4  # in an octave, to which ratios of variances are rounded


def of_innovations(
    model: DiffusionModel, h: Observe, error_std: np.ndarray, x: Float[Array, "state"]
) -> Units:
    """The root of R + s diag(H Hᵀ) with s = sigma² τ / (sigma² + τ), but for a common factor.

    Noise of unit variance leaves a target of the variance τ = `SPREAD` the variance s. The factor
    makes the smallest ratio to the error 1, so that observations of one kind have the units of
    their errors.

    Arguments:
        model: Model to be conditioned.
        h: (state,) -> (obs,) for one member, differentiable.
        error_std: Standard deviations of the errors.
        x: State at which h is linearised.
    """
    ratio = spread_over_error(model, h, error_std, x)

    def units(sigma: Float[Array, ""]) -> Float[Array, "obs"]:
        s = sigma**2 * SPREAD / (sigma**2 + SPREAD)
        variance = 1 + s * jnp.asarray(ratio, x.dtype)
        return jnp.asarray(error_std, x.dtype) * jnp.sqrt(variance / variance.min())

    return units


def spread_over_error(
    model: DiffusionModel, h: Observe, error_std: np.ndarray, x: Float[Array, "state"]
) -> Float[np.ndarray, "obs"]:
    """The variance of h(x') over that of its error, for a target of unit variance.

    A field that is 1 everywhere stands for its fluctuations, which is exact where an observation
    has its weights at one point. Rounded, so that rounding errors make no differences.
    """
    fields = model.noise_factor.fields
    std = jnp.asarray(error_std, x.dtype)

    def observe(z: Float[Array, "target"]) -> Float[Array, "obs"]:
        return h(model.next_state(z[None], x[None])[0]) / std

    def add_field(total: Array, field: Array) -> tuple[Array, None]:
        ones = (jnp.arange(fields) == field).astype(x.dtype)
        z = jnp.repeat(ones, model.target_size // fields)
        return total + jax.jvp(observe, (jnp.zeros_like(z),), (z,))[1] ** 2, None

    total, _ = jax.jit(lambda: jax.lax.scan(add_field, jnp.zeros_like(std), jnp.arange(fields)))()
    with np.errstate(divide="ignore"):
        octaves = np.log2(np.nan_to_num(np.asarray(total, float)))
    return 2.0 ** (np.round(STEPS * octaves) / STEPS)


def of_climate(model: DiffusionModel, h: Observe, climate: Float[Array, "draw state"]) -> Units:
    """The standard deviation of every observation's variable in the climate, at any noise level.

    Arguments:
        model: Model to be conditioned; its `climate_std` (state,) comes first, if it has one.
        h: (state,) -> (obs,) for one member.
        climate: States of the climate.
    """
    state_std = getattr(model, "climate_std", None)
    if state_std is not None:
        unit = jnp.abs(h(jnp.asarray(state_std, model.layout.dtype)))
    elif len(climate) > 1:
        unit = jax.vmap(h)(jnp.asarray(climate)).std(0)
    else:
        raise UserError(
            "guidance.units: climate needs a model that knows the standard deviations of its "
            "climate, or several states of it; use units: innovations"
        )
    return lambda sigma: unit
