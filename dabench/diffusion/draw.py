"""Draws of x' from p(x' | x), or from p(x' | x, y), by denoising, for whole ensembles.

One loop runs the table of any sampler (`samplers`): noise levels outside, batches of members
inside. Where there are several devices each runs the whole loop for its own members.
"""

from typing import Any, NamedTuple, NotRequired, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from dabench.core import devices
from dabench.core.types import Keys, Members, Time
from dabench.diffusion.batches import batch_by_batch, in_batches, one_by_one
from dabench.diffusion.guidance import Condition, Guided, Map, posterior_mean
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.diffusion.samplers import Steps, steps


class Counts(TypedDict):
    """Work of a draw; the keys are diagnostics of an archive.

    evaluations    denoiser evaluations (forward) a member
    products       Jacobian products a member
    guarded        share of linear solves that a guard stopped, of a draw given a condition
    residual       share of y - h(D) that these solves left: median over levels, mean over members
    """

    evaluations: Array
    products: Array
    guarded: NotRequired[Array]
    residual: NotRequired[Array]


class Solves(NamedTuple):
    """How the solves of a member went, a column a noise level with guidance.

    Arguments:
        guarded: Whether a guard stopped each.
        residual: The share of y - h(D) that each left.
    """

    guarded: Bool[Array, "*batch member level"]
    residual: Float[Array, "*batch member level"]


KEEP_BELOW = 8 * 2**30  # bytes on a device above which contexts are computed anew at every level


class Start(NamedTuple):
    """What the draw of a member depends on, a row a member.

    Arguments:
        key: (member,) random keys.
        x: (member, state) current states.
        context: What `model.condition` makes of x; None where it is computed when needed.
    """

    key: Keys
    x: Members
    context: PyTree


def members(
    keys: Keys,
    model: DiffusionModel,
    x: Members,
    time: Time,
    sampler: Sampler,
    batch: int,
    condition: Condition | None = None,
    context: PyTree = None,
) -> tuple[Members, Counts]:
    """Draw x' for every member, from p(x' | x), or from p(x' | x, y) given a condition.

    Member i's draw depends on its key, its x and y alone; with an uninformative y it is the
    unconditional draw of the same key.

    Arguments:
        keys: Keys of the members' noise.
        model: Diffusion model of the forecast.
        x: Current states, in physical units.
        time: Valid time of x'.
        sampler: Noise levels and steps.
        batch: Number of members in the denoiser at once.
        condition: Observations that the draws are conditioned on; None: none.
        context: `contexts` of x where they were computed already.
    Returns:
        x' in physical units, and the work of a member.
    """
    table = steps(sampler)
    first_guided = _first_guided(table, condition)

    def integrate(batches: Start) -> tuple[Array, Solves]:
        state = one_by_one(lambda start: _initial(model, start.key, table), batches)
        state, _ = _run(model, time, table, slice(0, first_guided), None, state, batches)
        guided = slice(first_guided, None)
        state, solves = _run(model, time, table, guided, condition, state, batches)
        return state[0], solves

    def draw(start: Start) -> tuple[Members, Solves]:
        if start.context is None:
            start = start._replace(context=contexts(model, start.x, time, batch))
        z, solves = in_batches(integrate, start, batch)
        return model.next_state(z, start.x), solves

    x_next, solves = devices.share(draw, Start(keys, x, context))
    return x_next, _counts(table, first_guided, condition, solves)


def _counts(table: Steps, first_guided: int, condition: Condition | None, solves: Solves) -> Counts:
    """Denoiser evaluations and Jacobian products of a member, and how the solves went."""
    guided = len(table.sigma) - first_guided if condition else 0
    counts = Counts(
        evaluations=jnp.asarray(len(table.sigma)),
        products=jnp.asarray(guided * condition.settings.products if condition else 0),
    )
    if condition:
        counts["guarded"] = jnp.mean(solves.guarded) if guided else jnp.zeros(())
    if guided and condition and condition.settings.solver != "dps":
        counts["residual"] = jnp.median(solves.residual, 1).mean()
    return counts


def expected_target(
    start: Start, model: DiffusionModel, time: Time, sampler: Sampler, batch: int
) -> Float[Array, "member target"]:
    """E[target | x] of every member, from one denoiser evaluation of pure noise at sigma_max."""
    sigma = jnp.asarray(sampler.sigma_max)
    denoise = model.denoiser(sigma)

    def evaluate(start: Start) -> Float[Array, "member target"]:
        e = jax.vmap(model.noise)(start.key)
        return denoise(sigma.astype(e.dtype) * e, context_of(model, start, time))

    return batch_by_batch(evaluate, start, batch)


def contexts(model: DiffusionModel, x: Members, time: Time, batch: int) -> PyTree:
    """`model.condition` of every member, in batches; None where that is too much to keep."""
    if devices.members_per_device(len(x)) * context_bytes(model) > KEEP_BELOW:
        return None

    def compute(x: Members) -> PyTree:
        return batch_by_batch(lambda x: model.condition(x, time), x, batch)

    return devices.share(compute, x)


def context_bytes(model: DiffusionModel) -> int:
    """Bytes that the context of one member takes."""
    one = jax.ShapeDtypeStruct((1, model.layout.size), model.layout.dtype)
    leaves = jax.tree.leaves(jax.eval_shape(model.condition, one, jnp.zeros(())))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def context_of(model: DiffusionModel, start: Start, time: Time) -> PyTree:
    """The context of a batch of members, kept or computed here."""
    return model.condition(start.x, time) if start.context is None else start.context


def _initial(model: DiffusionModel, keys: Keys, table: Steps) -> tuple[Array, ...]:
    """z = sigma e of the first level, and an empty memory."""
    e = jax.vmap(lambda k: model.noise(jax.random.fold_in(k, 0)))(keys)
    return with_memory(jnp.asarray(table.start, e.dtype) * e, table)


def with_memory(z: Array, table: Steps) -> tuple[Array, ...]:
    """z and as many zeros as a sampler remembers arrays."""
    return (z, *[jnp.zeros_like(z)] * (table.mix.shape[1] - 1))


def _first_guided(table: Steps, condition: Condition | None) -> int:
    """The step from which on all are at or below `sigma_guide`."""
    if condition is None or condition.settings.sigma_guide is None:
        return 0
    above = np.flatnonzero(table.sigma > condition.settings.sigma_guide)
    return int(above[-1]) + 1 if len(above) else 0


def _run(
    model: DiffusionModel,
    time: Time,
    table: Steps,
    rows: slice,
    condition: Condition | None,
    state: tuple[Array, ...],
    batches: Start,
) -> tuple[tuple[Array, ...], Solves]:
    """Some rows of the table, batch by batch; also how the solves of each member went."""
    dtype = state[0].dtype
    part = [jnp.asarray(a[rows], dtype) for a in (table.sigma, table.noise, table.mix)]
    numbers = jnp.arange(len(table.sigma))[rows]
    if not len(numbers):
        nothing = jnp.zeros((*state[0].shape[:2], 0), dtype)
        return state, Solves(nothing.astype(bool), nothing)

    def step(state: Any, row: Any) -> tuple[Any, Solves]:
        (sigma, noise, mix), number = row
        denoise = model.denoiser(sigma)

        def one_batch(batch: Any) -> Any:
            (z, *memory), start = batch
            z = _renoise(model, z, start.key, noise, number)
            context = context_of(model, start, time)
            D, *solves = _denoise(
                model, lambda z: denoise(z, context), condition, sigma, z, start.x
            )
            return combine(mix, (z, *memory, D)), Solves(*solves)

        return one_by_one(one_batch, (state, batches))

    state, solves = jax.lax.scan(step, state, (part, numbers))
    return state, jax.tree.map(lambda a: jnp.moveaxis(a, 0, -1), solves)


def _denoise(
    model: DiffusionModel,
    denoise: Map,
    condition: Condition | None,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
) -> Guided:
    """D or D_y, and how the solves went."""
    if condition is None:
        return Guided(denoise(z), jnp.zeros(len(z), bool), jnp.zeros(len(z), z.dtype))
    return posterior_mean(model, condition, denoise, sigma, z, x)


def _renoise(
    model: DiffusionModel, z: Array, keys: Keys, factor: Float[Array, ""], number: Array
) -> Array:
    """z + factor * e with step `number`'s own noise, which is not drawn where the factor is 0."""

    def add(z: Array) -> Array:
        e = jax.vmap(lambda k: model.noise(jax.random.fold_in(k, number + 1)))(keys)
        return z + factor * e

    return jax.lax.cond(factor > 0, add, lambda z: z, z)


def combine(mix: Float[Array, "slot inputs"], inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """The linear combinations of (z, memory.., D) that are the new (z, memory..)."""
    return tuple(
        sum((mix[i, j] * v for j, v in enumerate(inputs)), jnp.zeros_like(inputs[0]))
        for i in range(len(inputs) - 1)
    )
