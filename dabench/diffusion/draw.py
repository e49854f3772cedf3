"""Draws from p(x' | x) and p(x' | x, y) by denoising, for whole ensembles.

One loop runs the table of any sampler: levels outside, batches of members inside. Where there are
several devices each runs the whole loop for its own members.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from dabench.core import devices
from dabench.core.types import Keys, Members, Time
from dabench.diffusion.guidance import Condition, Map, posterior_mean
from dabench.diffusion.model import DiffusionModel, Sampler
from dabench.diffusion.samplers import Steps, steps

Stats = dict[str, Array]

KEEP_BELOW = 8 * 2**30
"""Conditions that take more bytes of a device are worked out again whenever they are needed."""


class Member(NamedTuple):
    """What a draw knows of each member; `condition` is None where it is not kept."""

    key: Keys
    x: Members
    condition: PyTree


def draw(
    keys: Keys,
    model: DiffusionModel,
    x: Members,
    time: Time,
    sampler: Sampler,
    batch: int,
    given: Condition | None = None,
    condition: PyTree = None,
) -> tuple[Members, Stats]:
    """One draw a member from p(x' | x), or from p(x' | x, y) where `given`.

    Member i's draw depends on its key, its x and y alone; with an uninformative y it is the
    unconditional draw of the same key.

    Arguments:
        batch: How many members go through the denoiser at once.
        condition: `conditions` of x where they are already known.
    Returns:
        x' in physical units, and `evaluations` and `products` of `filters.base.Info`; with
        `given` its `guarded` too.
    """
    table = steps(sampler)
    cut = _first_guided(table, given)

    def integrate(members: Member) -> tuple[Array, Array]:
        state = one_by_one(lambda m: _initial(model, m.key, table), members)
        state, _ = _run(model, time, table, slice(0, cut), None, state, members)
        state, guarded = _run(model, time, table, slice(cut, None), given, state, members)
        return state[0], guarded

    def own(m: Member) -> tuple[Members, Array]:
        if m.condition is None:
            m = m._replace(condition=conditions(model, m.x, time, batch))
        z, guarded = in_batches(integrate, m, batch)
        return model.next_state(z, m.x), guarded

    x_next, guarded = devices.share(own, Member(keys, x, condition))
    guided = (len(table.sigma) - cut) if given else 0
    stats = {
        "evaluations": jnp.asarray(len(table.sigma)),
        "products": jnp.asarray(guided * given.settings.products if given else 0),
    }
    if given:
        stats["guarded"] = jnp.mean(guarded) / max(guided, 1)
    return x_next, stats


def mean(
    members: Member, model: DiffusionModel, time: Time, sampler: Sampler, batch: int
) -> Float[Array, "member target"]:
    """E[target | x], near enough: one denoiser evaluation of pure noise at sigma_max."""
    sigma = jnp.asarray(sampler.sigma_max)
    denoise = model.denoiser(sigma)

    def evaluate(m: Member) -> Float[Array, "member target"]:
        e = jax.vmap(model.noise)(m.key)
        return denoise(sigma.astype(e.dtype) * e, known(model, m, time))

    return batch_by_batch(evaluate, members, batch)


def conditions(model: DiffusionModel, x: Members, time: Time, batch: int) -> PyTree:
    """`model.condition` of every member, in batches; None where that is too much to keep."""
    if devices.held(len(x)) * condition_bytes(model) > KEEP_BELOW:
        return None

    def own(x: Members) -> PyTree:
        return batch_by_batch(lambda x: model.condition(x, time), x, batch)

    return devices.share(own, x)


def condition_bytes(model: DiffusionModel) -> int:
    """Of what the denoiser needs to know of one member."""
    one = jax.ShapeDtypeStruct((1, model.layout.size), model.layout.dtype)
    leaves = jax.tree.leaves(jax.eval_shape(model.condition, one, jnp.zeros(())))
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def known(model: DiffusionModel, m: Member, time: Time) -> PyTree:
    """The condition of a batch of members, kept or worked out here."""
    return model.condition(m.x, time) if m.condition is None else m.condition


def replay(
    model: DiffusionModel,
    condition: PyTree,
    sampler: Sampler,
    initial: Float[Array, "member target"],
    noise: Float[Array, "step member target"],
) -> Float[Array, "step member target"]:
    """z after every step of the table, for recorded noise.

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
        state = _mix(mix, (z, *state[1:], model.denoiser(sigma)(z, condition)))
        return state, state[0]

    start = _with_memory(jnp.asarray(table.start, dtype) * initial, table)
    return jax.lax.scan(advance, start, (rows, noise))[1]


def in_batches(f: Callable[[Any], Any], members: PyTree, size: int) -> PyTree:
    """f of members as (batch, member, ...): equal batches of at most `size`.

    The last one repeats the last member where it must.
    """
    n = len(jax.tree.leaves(members)[0])
    count = -(-n // size)
    each = -(-n // count)
    index = np.minimum(np.arange(count * each), n - 1).reshape(count, each)
    done = f(jax.tree.map(lambda a: a[index], members))
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:n], done)


def batch_by_batch(f: Callable[[Any], Any], members: PyTree, size: int) -> PyTree:
    """f of members as (member, ...), of one batch after the other."""
    return in_batches(lambda batches: one_by_one(f, batches), members, size)


def one_by_one(f: Callable[[Any], Any], tree: PyTree) -> PyTree:
    """f of every batch of (batch, member, ...), one after the other."""
    if len(jax.tree.leaves(tree)[0]) == 1:
        one = f(jax.tree.map(lambda a: a[0], tree))
        return jax.tree.map(lambda a: a[None], one)
    return jax.lax.map(f, tree)


def _initial(model: DiffusionModel, keys: Keys, table: Steps) -> tuple[Array, ...]:
    """z = sigma e of the first level, and an empty memory."""
    e = jax.vmap(lambda k: model.noise(jax.random.fold_in(k, 0)))(keys)
    return _with_memory(jnp.asarray(table.start, e.dtype) * e, table)


def _with_memory(z: Array, table: Steps) -> tuple[Array, ...]:
    return (z, *[jnp.zeros_like(z)] * (table.mix.shape[1] - 1))


def _first_guided(table: Steps, given: Condition | None) -> int:
    """The step from which on all are at or below `sigma_guide`."""
    if given is None or given.settings.sigma_guide is None:
        return 0
    above = np.flatnonzero(table.sigma > given.settings.sigma_guide)
    return int(above[-1]) + 1 if len(above) else 0


def _run(
    model: DiffusionModel,
    time: Time,
    table: Steps,
    rows: slice,
    given: Condition | None,
    state: tuple[Array, ...],
    members: Member,
) -> tuple[tuple[Array, ...], Float[Array, "batch member"]]:
    """Some rows of the table, batch by batch; also how many guarded solves each member had."""
    dtype = state[0].dtype
    part = [jnp.asarray(a[rows], dtype) for a in (table.sigma, table.noise, table.mix)]
    numbers = jnp.arange(len(table.sigma))[rows]
    count = jnp.zeros(state[0].shape[:2], dtype)
    if not len(numbers):
        return state, count

    def step(carry: Any, row: Any) -> tuple[Any, None]:
        (sigma, noise, mix), number = row
        denoise = model.denoiser(sigma)

        def one_batch(batch: Any) -> Any:
            (z, *memory), count, m = batch
            z = _renoise(model, z, m.key, noise, number)
            condition = known(model, m, time)
            D, guarded = _denoise(model, lambda z: denoise(z, condition), given, sigma, z, m.x)
            return _mix(mix, (z, *memory, D)), count + guarded

        return one_by_one(one_batch, (*carry, members)), None

    return jax.lax.scan(step, (state, count), (part, numbers))[0]


def _denoise(
    model: DiffusionModel,
    denoise: Map,
    given: Condition | None,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    x: Members,
) -> tuple[Float[Array, "member target"], Bool[Array, "member"]]:
    """D or D_y, and which solves were guarded."""
    if given is None:
        return denoise(z), jnp.zeros(len(z), bool)
    return posterior_mean(model, given, denoise, sigma, z, x)


def _renoise(
    model: DiffusionModel, z: Array, keys: Keys, factor: Float[Array, ""], number: Array
) -> Array:
    """z + factor * e with step `number`'s own noise, which is not drawn where the factor is 0."""

    def add(z: Array) -> Array:
        e = jax.vmap(lambda k: model.noise(jax.random.fold_in(k, number + 1)))(keys)
        return z + factor * e

    return jax.lax.cond(factor > 0, add, lambda z: z, z)


def _mix(mix: Float[Array, "slot inputs"], inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(
        sum((mix[i, j] * v for j, v in enumerate(inputs)), jnp.zeros_like(inputs[0]))
        for i in range(len(inputs) - 1)
    )
