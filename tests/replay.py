"""A sampler run on recorded noise, in place of the noise of members' keys."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from dabench.diffusion.draw import combine, with_memory
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.diffusion.samplers import Steps, steps

Denoise = Callable[[Array, Array], Array]  # (sigma, z) -> D


class Trajectory(NamedTuple):
    """z of every evaluation, its noise added, and what the step makes of it."""

    evaluated: Float[Array, "step member target"]
    after: Float[Array, "step member target"]


def trajectory(
    denoise: Denoise,
    table: Steps,
    initial: Float[Array, "member target"],
    noise: Float[Array, "step member target"],
    compiled: bool = True,
) -> Trajectory:
    """All states of a sampler.

    Arguments:
        initial: Unit-variance noise, scaled here by the first level.
        noise: Unit-variance noise of every step (row of the table), scaled here.
        compiled: Whether the loop is part of the program; else `denoise` is called step by step.
    """
    dtype = initial.dtype
    rows = [jnp.asarray(a, dtype) for a in (table.sigma, table.noise, table.mix)]

    def advance(state: tuple[Array, ...], row: Any) -> tuple[Any, tuple[Array, Array]]:
        (sigma, factor, mix), e = row
        z = state[0] + factor * e
        state = combine(mix, (z, *state[1:], denoise(sigma, z)))
        return state, (z, state[0])

    start = with_memory(jnp.asarray(table.start, dtype) * initial, table)
    if compiled:
        return Trajectory(*jax.lax.scan(advance, start, (rows, noise))[1])
    states, state = [], start
    for i in range(len(noise)):
        state, pair = advance(state, ([a[i] for a in rows], noise[i]))
        states.append(pair)
    return Trajectory(*(jnp.stack(part) for part in zip(*states, strict=True)))


def replay(
    model: DiffusionModel,
    context: PyTree,
    sampler: Sampler,
    initial: Float[Array, "member target"],
    noise: Float[Array, "step member target"],
) -> Float[Array, "step member target"]:
    """z after every step of an unconditional draw.

    In the table of `dpmpp_2s` the churn belongs to rows 0, 2, 4, ..
    """

    def denoise(sigma: Array, z: Array) -> Array:
        return model.denoiser(sigma)(z, context)

    return trajectory(denoise, steps(sampler), initial, noise).after
