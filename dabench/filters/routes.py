"""Two routes to a local analysis: sums over pairs of members, or the rows of its observations.

Both solve the same problem for each unit and level, with S (observation, m) the departures of m
members and d (observation, r) some departures of observations, all divided by error_std √(m - 1)
and multiplied by the root of the taper. The first needs SᵀS and Sᵀd alone, whose terms are products
of what depends on the observation and the taper: a matrix product for all units. The second gathers
the rows, which pays where a unit has fewer observations than there are members.
"""

from typing import Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from dabench.filters.inflate import Consistency
from dabench.filters.local import HIGHEST, Block, Plan, blocks, combine, windows
from dabench.filters.moments import wide

Route = Literal["auto", "pairs", "rows"]
MOST_PAIRS = 96
"""Members above which their pairs take more memory than gathered rows."""


class Solver(Protocol):
    """What to make of the local problem of each unit and level; both routes give the same."""

    def moments(self, G: Array, g: Array, own: PyTree, fit: Consistency) -> tuple[Array, PyTree]:
        """T (..., m, n) from G = SᵀS (..., m, m) and g = Sᵀd (..., m, r)."""
        ...

    def rows(self, S: Array, d: Array, own: PyTree, fit: Consistency) -> tuple[Array, PyTree]:
        """T (..., m, n) from S (..., p, m) and d (..., p, r)."""
        ...


def analyse(
    plan: Plan,
    basis: Float[Array, "m state"],
    S: Float[Array, "m obs"],
    d: Float[Array, "r obs"],
    solver: Solver,
    own: PyTree = (),
    route: Route = "auto",
) -> tuple[Float[Array, "n state"], PyTree]:
    """Σ_m basis_m T[m, n] at every point, and what the solver returns for each unit and level.

    Arguments:
        own: Arrays (unit, level) that the solver wants.
    """
    table = None if route == "pairs" else reach(plan, len(S) if route == "auto" else S.shape[1])
    if route == "auto" and table is None and len(S) > MOST_PAIRS:
        table = reach(plan, S.shape[1])
    if table is None:
        return by_pairs(plan, basis, S, d, solver, own)
    return by_rows(plan, basis, S, d, solver, own, table)


def by_pairs(plan: Plan, basis: Array, S: Array, d: Array, solver: Solver, own: PyTree):
    """Sums over the observations of products of two members, as one matrix product a block."""
    m, r = len(S), len(d)
    a, b = np.triu_indices(m)
    unpack = np.zeros((m, m), int)
    unpack[a, b] = unpack[b, a] = np.arange(len(a))
    index = blocks(plan, m * m)
    start, window = windows(plan, index)
    at, dt = (spread_out(plan, v.T) for v in (S, d))
    seen = jnp.asarray(plan.index < len(plan.place), S.dtype)[..., None]
    squares = (dt**2).sum(-1, keepdims=True)
    cross = (at[..., :, None] * dt[..., None, :]).reshape(*at.shape[:-1], m * r)
    columns = jnp.concatenate([at[..., a] * at[..., b], cross, squares, seen], -1).sum(0)
    columns = columns.astype(plan.dtype).swapaxes(0, 1).reshape(len(plan.location), -1)
    location = jnp.asarray(plan.location, plan.dtype)

    def weigh(block: Block) -> tuple[Array, PyTree]:
        near = (jax.lax.dynamic_slice_in_dim(v, block.start, window) for v in (location, columns))
        sums = tapered(plan, block, *near).astype(wide())
        G, g, last = jnp.split(sums, (len(a), len(a) + m * r), axis=-1)
        G = G[..., unpack]
        spread = jnp.trace(G, axis1=-2, axis2=-1)
        fit = Consistency((m - 1) * last[..., 0] / r, spread, last[..., 1])
        return solver.moments(G, g.reshape(*g.shape[:-1], m, r), block.own, fit)

    return combine(plan, basis, index, start, weigh, own)


def by_rows(
    plan: Plan, basis: Array, S: Array, d: Array, solver: Solver, own: PyTree, table: np.ndarray
):
    """Each unit gathers its observations; the table is that of `reach`."""
    index = blocks(plan, len(S) * table.shape[1])
    start = np.zeros(len(index), np.int32)
    rows = [jnp.concatenate([v, jnp.zeros_like(v[:, :1])], 1).T for v in (S, d)]
    location = jnp.asarray(np.append(plan.location[plan.place], plan.location[:1], 0), plan.dtype)
    vertical = jnp.concatenate(
        [plan.vertical[:, plan.level], jnp.zeros_like(plan.vertical[:, :1])], 1
    )

    def weigh(block: Block) -> tuple[Array, PyTree]:
        near, kept = block.own
        across = jax.vmap(lambda u, o: plan.taper.horizontal(u[None], location[o])[0])
        rho = across(block.position, near)[:, None] * jnp.moveaxis(vertical[:, near], 0, 1)
        root = jnp.sqrt(rho.astype(S.dtype))[..., None]
        S_near, d_near = (root * v[near][:, None] for v in rows)
        innovation = (len(S) - 1) * (d_near**2).sum((-2, -1)) / len(d)
        fit = Consistency(innovation, (S_near**2).sum((-2, -1)), rho.sum(-1, dtype=S.dtype))
        return solver.rows(S_near, d_near, kept, fit)

    return combine(plan, basis, index, start, weigh, (jnp.asarray(table), own))


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


def reach(plan: Plan, limit: int) -> Int[np.ndarray, "unit near"] | None:
    """Observations within reach of each unit, filled up with their number; None above a limit."""
    index, lists = blocks(plan, 1), []
    with jax.ensure_compile_time_eval():
        location = jnp.asarray(plan.location)
        for units in index:
            rho = np.asarray(plan.taper.horizontal(jnp.asarray(plan.position[units]), location))
            lists += [np.flatnonzero(row) for row in (rho > 0)[:, plan.place]]
            if max(map(len, lists)) > limit:
                return None
    table = np.full((len(plan.position), max(1, *map(len, lists))), len(plan.place), np.int32)
    for row, near in zip(table, lists, strict=False):
        row[: len(near)] = near
    return table
