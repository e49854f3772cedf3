"""Draws from p(x' | x) and p(x' | x, y) by denoising, for whole ensembles.

A sampler is a table of steps, one a denoiser evaluation: each adds some noise to z, evaluates D,
and replaces (z, memory) by linear combinations of (z, memory, D). One loop runs them all.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from dabench.guidance import Guidance, posterior_mean
from dabench.systems.base import DiffusionModel, Keys, Members, Sampler, Time

Stats = dict[str, Array]


class Steps(NamedTuple):
    """A sampler, worked out.

    Arguments:
        start: Factor of the noise that z starts from.
        sigma: (step,) noise level of the evaluation.
        noise: (step,) factor of the noise that is added to z before it.
        mix: (step, slot, slot + 1): new (z, memory..) from (z, memory.., D).
    """

    start: float
    sigma: Float[np.ndarray, "step"]
    noise: Float[np.ndarray, "step"]
    mix: Float[np.ndarray, "step slot inputs"]


class Member(NamedTuple):
    """What a draw knows of each member; `start` is the next state of a zero target."""

    key: Keys
    x: Members
    condition: PyTree
    start: Members


def noise_levels(sampler: Sampler) -> Float[np.ndarray, "level"]:
    """Descending noise levels above zero (Karras et al. 2022, arXiv:2206.00364, equation 5)."""
    u = np.linspace(0, 1, sampler.levels)
    low, high = sampler.sigma_min ** (1 / sampler.rho), sampler.sigma_max ** (1 / sampler.rho)
    return (high + u * (low - high)) ** sampler.rho


def steps(sampler: Sampler) -> Steps:
    """The table of a sampler; the last evaluation ends it with z = D."""
    levels = noise_levels(sampler)
    if sampler.method == "dpmpp_2s":
        rows = _dpmpp_2s(sampler, levels)
    else:
        method = {"ab3": _ab3, "dpmpp_2m": _dpmpp_2m}[sampler.method]
        rows = _with_correctors(method(levels), sampler)
    sigma, noise, mix = (np.array(a) for a in zip(*rows, strict=True))
    mix[-1] = 0
    mix[-1, 0, -1] = 1
    return Steps(levels[0], sigma, noise, mix)


Row = tuple[float, float, np.ndarray]


def _ab3(sigma: np.ndarray) -> list[Row]:
    """Adams-Bashforth of order 1, 2, 3, 3, .. for dz/dσ = (z - D) / σ; two slopes remembered."""
    rows = []
    for i, s in enumerate(sigma):
        end = sigma[i + 1] if i + 1 < len(sigma) else 0.0
        b = np.zeros(3)
        nodes = sigma[max(i - 2, 0) : i + 1][::-1]
        b[: len(nodes)] = _adams_weights(nodes, s, end)
        slope = np.array([1 / s, 0, 0, -1 / s])
        z = np.array([1, b[1], b[2], 0]) + b[0] * slope
        rows.append((s, 0.0, np.stack([z, slope, [0, 1, 0, 0]])))
    return rows


def _adams_weights(nodes: np.ndarray, start: float, end: float) -> np.ndarray:
    """Integrals from start to end of the Lagrange polynomials of the nodes."""
    weights = []
    for j, node in enumerate(nodes):
        others = np.delete(nodes, j)
        lagrange = np.poly1d(others, r=True) / np.prod(node - others)
        weights.append(lagrange.integ()(end) - lagrange.integ()(start))
    return np.array(weights)


def _dpmpp_2m(sigma: np.ndarray) -> list[Row]:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2); one D remembered."""
    rows, h = [], -np.diff(np.log(sigma))
    for i, s in enumerate(sigma):
        ratio = sigma[i + 1] / s if i + 1 < len(sigma) else 0.0
        past = h[i] / (2 * h[i - 1]) if 0 < i < len(h) else 0.0
        z = [ratio, -(1 - ratio) * past, (1 - ratio) * (1 + past)]
        rows.append((s, 0.0, np.array([z, [0, 0, 1]])))
    return rows


def _dpmpp_2s(sampler: Sampler, sigma: np.ndarray) -> list[Row]:
    """DPM-Solver++(2S) with stochastic churn as GenCast has it; the churned z is remembered.

    The last level takes one evaluation: the second would be at sigma = 0 and change nothing.
    """
    gamma = min(sampler.churn / len(sigma), np.sqrt(2) - 1)
    rows = []
    for i, s in enumerate(sigma):
        high = s * (1 + gamma * (s >= sampler.churn_min))
        noise = sampler.inflation * np.sqrt(high**2 - s**2)
        end = sigma[i + 1] if i + 1 < len(sigma) else 0.0
        middle = np.sqrt(high * end)
        rows.append((high, noise, np.array([[middle / high, 0, 1 - middle / high], [1, 0, 0]])))
        if end:
            rows.append((middle, 0.0, np.array([[0, end / high, 1 - end / high], [0, 0, 0]])))
    return rows


def _with_correctors(rows: list[Row], sampler: Sampler) -> list[Row]:
    """Langevin steps z + τ (D - z) + sqrt(2 τ) σ e at every level, before its deterministic step.

    Their noise is that of the row after them, which is on the same level.
    """
    slots = rows[0][2].shape[0]
    langevin = np.eye(slots, slots + 1)
    langevin[0, 0], langevin[0, -1] = 1 - sampler.tau, sampler.tau
    out, strength = [], np.sqrt(2 * sampler.tau)
    for sigma, _, mix in rows:
        level = [(sigma, strength * sigma * (c > 0), langevin) for c in range(sampler.correctors)]
        out += [*level, (sigma, strength * sigma * (sampler.correctors > 0), mix)]
    return out


def draw(
    keys: Keys,
    model: DiffusionModel,
    x: Members,
    time: Time,
    sampler: Sampler,
    batch: int,
    given: Guidance | None = None,
    condition: PyTree = None,
) -> tuple[Members, Stats]:
    """One draw a member from p(x' | x), or from p(x' | x, y) where `given`.

    Member i's draw depends on its key, its x and y alone; with an uninformative y it is the
    unconditional draw of the same key.

    Arguments:
        batch: How many members go through the denoiser at once.
        condition: `model.condition(x, time)` where it is already known.
    Returns:
        x' in physical units, and `evaluations`, `products` and `guarded` of `filters.base.Info`.
    """
    table, split = steps(sampler), Batches(len(x), batch)
    if condition is None:
        condition = conditions(model, x, time, batch)
    zero = jnp.zeros((len(x), model.target_size), x.dtype)
    start = model.next_state(zero, x) if given else x
    members = split(Member(keys, x, condition, start))
    state = split.map(lambda m: _initial(model, m.key, table), members)
    cut = _first_guided(table, given)
    state, _ = _run(model, table, slice(0, cut), None, state, members, split)
    state, guarded = _run(model, table, slice(cut, None), given, state, members, split)
    guided = (len(table.sigma) - cut) if given else 0
    stats = {
        "evaluations": jnp.asarray(len(table.sigma)),
        "products": jnp.asarray(guided * given.settings.products if given else 0),
        "guarded": jnp.mean(split.join(guarded)) / max(guided, 1),
    }
    return model.next_state(split.join(state[0]), x), stats


def mean(
    keys: Keys,
    model: DiffusionModel,
    condition: PyTree,
    sampler: Sampler,
    batch: int,
) -> Float[Array, "member target"]:
    """E[target | x], near enough: one denoiser evaluation of pure noise at sigma_max."""
    sigma = jnp.asarray(sampler.sigma_max)
    denoise, split = model.denoiser(sigma), Batches(len(keys), batch)

    def evaluate(member: tuple[Keys, PyTree]) -> Float[Array, "member target"]:
        e = jax.vmap(model.noise)(member[0])
        return denoise(sigma.astype(e.dtype) * e, member[1])

    return split.join(split.map(evaluate, split((keys, condition))))


def conditions(model: DiffusionModel, x: Members, time: Time, batch: int) -> PyTree:
    """`model.condition` of every member, in batches."""
    split = Batches(len(x), batch)
    return split.join(split.map(lambda x: model.condition(x, time), split(x)))


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


class Batches:
    """Members in equal batches, the last of which repeats the last member where it must."""

    def __init__(self, members: int, batch: int):
        count = -(-members // batch)
        size = -(-members // count)
        self.members, self.count = members, count
        self._index = np.minimum(np.arange(count * size), members - 1).reshape(count, size)

    def __call__(self, tree: PyTree) -> PyTree:
        """(member, ...) to (batch, member, ...)."""
        return jax.tree.map(lambda a: a[self._index], tree)

    def map(self, f: Callable[[Any], Any], tree: PyTree) -> PyTree:
        """f of every batch, one after the other."""
        if self.count == 1:
            one = f(jax.tree.map(lambda a: a[0], tree))
            return jax.tree.map(lambda a: a[None], one)
        return jax.lax.map(f, tree)

    def join(self, tree: PyTree) -> PyTree:
        """Back to (member, ...)."""
        return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[: self.members], tree)


def _initial(model: DiffusionModel, keys: Keys, table: Steps) -> tuple[Array, ...]:
    """z = sigma e of the first level, and an empty memory."""
    e = jax.vmap(lambda k: model.noise(jax.random.fold_in(k, 0)))(keys)
    return _with_memory(jnp.asarray(table.start, e.dtype) * e, table)


def _with_memory(z: Array, table: Steps) -> tuple[Array, ...]:
    return (z, *[jnp.zeros_like(z)] * (table.mix.shape[1] - 1))


def _first_guided(table: Steps, given: Guidance | None) -> int:
    """The step from which on all are at or below `sigma_guide`."""
    if given is None or given.settings.sigma_guide is None:
        return 0
    above = np.flatnonzero(table.sigma > given.settings.sigma_guide)
    return int(above[-1]) + 1 if len(above) else 0


def _run(
    model: DiffusionModel,
    table: Steps,
    rows: slice,
    given: Guidance | None,
    state: tuple[Array, ...],
    members: Member,
    split: Batches,
) -> tuple[tuple[Array, ...], Float[Array, "batch member"]]:
    """Some rows of the table, for all members; also how many guarded solves each member had."""
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
            D, guarded = _denoise(model, denoise, given, sigma, z, m)
            return _mix(mix, (z, *memory, D)), count + guarded

        return split.map(one_batch, (*carry, members)), None

    return jax.lax.scan(step, (state, count), (part, numbers))[0]


def _denoise(
    model: DiffusionModel,
    denoise: Callable[[Array, PyTree], Array],
    given: Guidance | None,
    sigma: Float[Array, ""],
    z: Float[Array, "member target"],
    m: Member,
) -> tuple[Float[Array, "member target"], Bool[Array, "member"]]:
    """D or D_y, and which solves were guarded."""
    if given is None:
        return denoise(z, m.condition), jnp.zeros(len(z), bool)
    return posterior_mean(model, given, lambda z: denoise(z, m.condition), sigma, z, m.x, m.start)


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
