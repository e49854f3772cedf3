"""Three routes to a local analysis: sums over pairs of members, or the rows of its observations.

All solve the same problem for each unit and level, with S (observation, m) the departures of m
members and d (observation, r) some departures of observations, all divided by error_std √(m - 1)
and multiplied by the root of the taper. The first, `pairs`, needs SᵀS and Sᵀd alone, whose terms
are products of what depends on the observation and the taper: a matrix product for all units. The
second, `rows`, gathers the rows, which pays where a unit has fewer observations than there are
members. The third, `levels`, gathers the locations and makes SᵀS of each observed level, which the
vertical taper then adds up: where members are so many that their pairs are too large for the first.
"""

from typing import Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from dabench.core import devices
from dabench.core.precision import wide
from dabench.filters.local.combine import Finish, Weigh, add, combine
from dabench.filters.local.gramian import product
from dabench.filters.local.inflation import Consistency
from dabench.filters.local.plan import HIGHEST, Block, Plan, blocks, look, windows

Route = Literal["auto", "pairs", "rows", "levels"]
CHUNK = 128
"""Locations that `levels` takes at a time; near the poles of a grid a point has far more."""
MOST_PAIRS = 96
"""Members above which their pairs take more memory than what is gathered."""


class Solver(Protocol):
    """What to make of the local problem of each unit and level; all routes give the same."""

    def moments(
        self, A: Array, G: Array, g: Array, own: PyTree, fit: Consistency
    ) -> tuple[Array, PyTree]:
        """A T (..., row, n) from A (..., row, m), G = SᵀS (..., m, m) and g = Sᵀd (..., m, r)."""
        ...

    def rows(
        self, A: Array, S: Array, d: Array, own: PyTree, fit: Consistency
    ) -> tuple[Array, PyTree]:
        """The same from S (..., p, m) and d (..., p, r)."""
        ...


class Local(NamedTuple):
    """The local problems of a plan.

    Arguments:
        S: (m, obs) departures of members, over error_std √(m - 1).
        d: (r, obs) departures of observations, likewise.
        own: Arrays (unit, level) that the solver wants.
    """

    S: Float[Array, "m obs"]
    d: Float[Array, "r obs"]
    own: PyTree = ()


def analyse(
    plan: Plan,
    x: Float[Array, "n state"],
    local: Local,
    solver: Solver,
    finish: Finish = add,
    basis: Float[Array, "m state"] | None = None,
    route: Route = "auto",
) -> tuple[Float[Array, "n state"], PyTree]:
    """x moved by Σ_m basis_m T[m, n] at every point, and what the solver keeps for each unit.

    Arguments:
        finish, basis: As in `combine`.
    """
    ways = {"pairs": by_pairs, "rows": by_rows, "levels": by_levels}
    way = ways[cheapest(plan, len(local.S)) if route == "auto" else route]
    return combine(plan, x, *way(plan, local, solver), finish, basis)


def cheapest(plan: Plan, members: int) -> Route:
    """`rows` while there are no more of them than members, then `pairs` or `levels`."""
    if reach(plan, plan.location[plan.place], members) is not None:
        return "rows"
    return "pairs" if members <= MOST_PAIRS else "levels"


Way = tuple[np.ndarray, np.ndarray, Weigh, PyTree, PyTree]
"""Blocks, the starts of their windows, how to weigh them, what that has for each unit and for all.
"""


def by_pairs(plan: Plan, local: Local, solver: Solver) -> Way:
    """Sums over the observations of products of two members, as one matrix product a block."""
    m, r = len(local.S), len(local.d)
    a, b = np.triu_indices(m)
    unpack = np.zeros((m, m), int)
    unpack[a, b] = unpack[b, a] = np.arange(len(a))
    index = blocks(plan, m * m, devices.parts())
    start, window = windows(plan, index)
    S, d = (jnp.moveaxis(spread_out(plan, v.T), 2, 0) for v in (local.S, local.d))
    seen = jnp.moveaxis(jnp.asarray(plan.index < len(plan.place), S.dtype), 2, 0)[..., None]
    location = jnp.asarray(plan.location, plan.dtype)

    def columns(S: Array, d: Array, seen: Array) -> Array:
        cross = (S[..., :, None] * d[..., None, :]).reshape(*S.shape[:-1], m * r)
        squares = (d**2).sum(-1, keepdims=True)
        made = jnp.concatenate([S[..., a] * S[..., b], cross, squares, seen], -1)
        return made.sum(1).astype(plan.dtype).reshape(len(S), -1)

    def weigh(block: Block, A: Array, given: PyTree) -> tuple[Array, PyTree]:
        near, *cells = (look(v, block.start, window) for v in given)
        sums = tapered(plan, block, near, columns(*cells)).astype(wide())
        G, g, last = jnp.split(sums, (len(a), len(a) + m * r), axis=-1)
        G = G[..., unpack]
        spread = jnp.trace(G, axis1=-2, axis2=-1)
        fit = Consistency((m - 1) * last[..., 0] / r, spread, last[..., 1])
        return solver.moments(A, G, g.reshape(*g.shape[:-1], m, r), block.own, fit)

    return index, start, weigh, local.own, (location, S, d, seen)


def by_rows(plan: Plan, local: Local, solver: Solver) -> Way:
    """Each unit gathers its observations."""
    table = reach(plan, plan.location[plan.place])
    assert table is not None
    m, r = len(local.S), len(local.d)
    index = blocks(plan, m * table.shape[1], devices.parts())
    start = np.zeros(len(index), np.int32)
    rows = [jnp.concatenate([v, jnp.zeros_like(v[:, :1])], 1).T for v in (local.S, local.d)]
    location = jnp.asarray(np.append(plan.location[plan.place], plan.location[:1], 0), plan.dtype)
    vertical = jnp.concatenate(
        [plan.vertical[:, plan.level], jnp.zeros_like(plan.vertical[:, :1])], 1
    )

    def weigh(block: Block, A: Array, given: PyTree) -> tuple[Array, PyTree]:
        (near, kept), (rows, location) = block.own, given
        across = jax.vmap(lambda u, o: plan.taper.horizontal(u[None], location[o])[0])
        rho = across(block.position, near)[:, None] * jnp.moveaxis(vertical[:, near], 0, 1)
        root = jnp.sqrt(rho.astype(rows[0].dtype))[..., None]
        S_near, d_near = (root * v[near][:, None] for v in rows)
        innovation = (m - 1) * (d_near**2).sum((-2, -1)) / r
        fit = Consistency(innovation, (S_near**2).sum((-2, -1)), rho.sum(-1, dtype=S_near.dtype))
        return solver.rows(A, S_near, d_near, kept, fit)

    return index, start, weigh, (jnp.asarray(table), local.own), (rows, location)


def by_levels(plan: Plan, local: Local, solver: Solver) -> Way:
    """Each unit gathers its locations, for the sums of products of each observed level."""
    table = reach(plan, plan.location)
    assert table is not None
    m, r = len(local.S), len(local.d)
    near = (table < len(plan.location)).sum(1)
    table = np.pad(
        table, ((0, 0), (0, -table.shape[1] % CHUNK)), constant_values=len(plan.location)
    )
    index = blocks(plan, max(m * m, CHUNK * (m + r)), devices.parts())
    layer, vertical = layers(plan)
    values = jnp.concatenate([local.S, local.d, jnp.ones_like(local.S[:1])]).T
    cells = spread_out(plan, values).reshape(-1, len(plan.location), m + r + 1)[layer]
    cells = jnp.swapaxes(cells, 0, 1).astype(plan.dtype)
    cells = jnp.concatenate([cells, jnp.zeros_like(cells[:1])])
    location = jnp.asarray(np.append(plan.location, plan.location[:1], 0), plan.dtype)

    def squares(position: Array, near: Array, cells: Array) -> Array:
        """Of the columns of `values`, (unit, layer, column, column), at some near locations."""
        across = jax.vmap(lambda u, o: plan.taper.horizontal(u[None], location[o])[0])
        root = jnp.sqrt(across(position, near)).astype(plan.dtype)[..., None, None]
        rows = jnp.swapaxes(root * cells[near], 1, 2)
        return product(rows.mT, rows)

    def weigh(block: Block, A: Array, cells: Array) -> tuple[Array, PyTree]:
        table, near, kept = block.own
        table = table.reshape(len(table), -1, CHUNK)

        def more(k: Array, sums: Array) -> Array:
            return sums + squares(block.position, table[:, k], cells)

        sums = jnp.zeros((len(table), *cells.shape[1:], cells.shape[2]), plan.dtype)
        sums = jax.lax.fori_loop(0, -(-near.max() // CHUNK), more, sums)
        sums = product(vertical[None], sums.reshape(*sums.shape[:2], -1))
        sums = sums.reshape(*sums.shape[:2], m + r + 1, -1)
        G, g, squared = sums[..., :m, :m], sums[..., :m, m:-1], sums[..., m:, m:]
        innovation = jnp.trace(squared[..., :r, :r], axis1=-2, axis2=-1) * (m - 1) / r
        spread = jnp.trace(G, axis1=-2, axis2=-1)
        return solver.moments(A, G, g, kept, Consistency(innovation, spread, squared[..., r, r]))

    own = jnp.asarray(table), jnp.asarray(near), local.own
    return index, np.zeros(len(index), np.int32), weigh, own, cells


def layers(plan: Plan) -> tuple[Int[np.ndarray, "layer"], Float[Array, "level layer"]]:
    """The (slot, observed level) pairs that hold observations, and the tapers of their levels."""
    layer = np.flatnonzero((plan.index < len(plan.place)).any(2))
    return layer, plan.vertical[:, layer % len(plan.observed_levels)].astype(plan.dtype)


def spread_out(plan: Plan, values: Float[Array, "obs *rest"]) -> Array:
    """Values of observations by (slot, observed level, location), zero where there is none."""
    return jnp.concatenate([values, jnp.zeros_like(values[:1])])[plan.index]


def tapered(
    plan: Plan,
    block: Block,
    location: Float[Array, "location axis"],
    sums: Float[Array, "location column"],
) -> Float[Array, "unit level column"]:
    """Sums over locations, each times its taper; the columns of `sums` are by observed level."""
    rho = plan.taper.horizontal(block.position, location)
    by_level = jnp.matmul(rho, sums, precision=HIGHEST)
    by_level = by_level.reshape(len(rho), len(plan.observed_levels), -1)
    return jnp.einsum("lo,uoc->ulc", plan.vertical, by_level, precision=HIGHEST)


def reach(
    plan: Plan, location: Float[np.ndarray, "place axis"], limit: int | None = None
) -> Int[np.ndarray, "unit near"] | None:
    """Places within reach of each unit, filled up with their number; None above a limit."""
    index, lists = np.minimum(blocks(plan, 1), len(plan.position) - 1), []
    with jax.ensure_compile_time_eval():
        places = jnp.asarray(location)
        near = jax.jit(lambda position: plan.taper.horizontal(position, places) > 0)
        for units in index:
            lists += [np.flatnonzero(row) for row in np.asarray(near(plan.position[units]))]
            if limit is not None and max(map(len, lists)) > limit:
                return None
    table = np.full((len(plan.position), max(1, *map(len, lists))), len(location), np.int32)
    for unit, near in zip(index.ravel(), lists, strict=True):
        table[unit, : len(near)] = near
    return table
