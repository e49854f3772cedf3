"""A sampler run on recorded noise, in place of the noise of members' keys."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dabench.diffusion.draw import combine, with_memory
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.diffusion.samplers import steps


def replay(
    model: DiffusionModel,
    context: PyTree,
    sampler: Sampler,
    initial: Float[Array, "member target"],
    noise: Float[Array, "step member target"],
) -> Float[Array, "step member target"]:
    """z after every step of a sampler's table.

    Arguments:
        initial: Unit-variance noise, scaled here by the first level.
        noise: Unit-variance noise of every step (row of `steps`), scaled here; in the table of
            `dpmpp_2s` the churn belongs to rows 0, 2, 4, ..
    """
    table, dtype = steps(sampler), initial.dtype
    rows = [jnp.asarray(a, dtype) for a in (table.sigma, table.noise, table.mix)]

    def advance(state: tuple[Array, ...], row: Any) -> tuple[Any, Array]:
        (sigma, factor, mix), e = row
        z = state[0] + factor * e
        state = combine(mix, (z, *state[1:], model.denoiser(sigma)(z, context)))
        return state, state[0]

    start = with_memory(jnp.asarray(table.start, dtype) * initial, table)
    return jax.lax.scan(advance, start, (rows, noise))[1]
