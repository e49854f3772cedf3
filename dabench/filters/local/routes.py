"""Three routes to the sums of a local analysis over the observations near a unit.

All give the same to a `Solver`, for each unit and level: S (observation, m), the departures of m
members, and d (observation, r), some departures of observations, all divided by error_std √(m - 1)
and multiplied by the root of the taper ρ; or G = SᵀS and g = Sᵀd.

pairs     Every term of G and g is a product of what depends on the observation and of its taper, so
          that one matrix product makes the sums of a block. For few members.
rows      Each unit gathers its rows of S and d. Where a unit has fewer observations than members.
levels    Each unit gathers its locations and sums G of each observed level, and the vertical taper
          adds up the levels. Where members are so many that pairs of them take too much memory.
"""

from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from dabench.core import devices
from dabench.core.precision import wide
from dabench.filters.local.combine import Block, Finish, LocalAnalyses, add, combine
from dabench.filters.local.gramian import product
from dabench.filters.local.inflation import Consistency
from dabench.filters.local.plan import HIGHEST, Plan, blocks, in_window, windows

Route = Literal["auto", "pairs", "rows", "levels"]
CHUNK = 128  # locations that `levels` sums at a time; near the poles of a grid a point has far more
MOST_PAIRS = 96  # members above which their pairs take more memory than gathered locations


Inflation = TypeVar("Inflation", Float[Array, "unit level"], None)
"""Covariance inflation; None for solvers that estimate none."""


class Solver(Protocol[Inflation]):
    """Solves the local problem of each unit and level, with leading axes (unit, level).

    Both functions return A T (row, n) for rows A (row, m), T being the weights of the update, and
    the inflation that they used. `consistency` has innovation statistics for estimating it.
    """

    def from_gram(
        self, A: Array, G: Array, g: Array, inflation: Inflation, consistency: Consistency
    ) -> tuple[Array, Inflation]:
        """A T from G = SᵀS (m, m) and g = Sᵀd (m, r)."""
        ...

    def from_rows(
        self, A: Array, S: Array, d: Array, inflation: Inflation, consistency: Consistency
    ) -> tuple[Array, Inflation]:
        """A T from S (observation, m) and d (observation, r)."""
        ...


class Departures(NamedTuple, Generic[Inflation]):
    """Departures in observation space, over error_std √(m - 1), and last cycle's inflation.

    Arguments:
        S: Departures of m members from their mean.
        d: Departures of observations: from the mean (r = 1), or from each of r members.
        inflation: Inflation of each unit and level, for solvers that estimate it.
        present: Whether each observation is there, for such solvers, which count them; None: all
            are. S and d are zero where one is missing.
    """

    S: Float[Array, "m obs"]
    d: Float[Array, "r obs"]
    inflation: Inflation
    present: Bool[Array, "obs"] | None = None

    @property
    def counts(self) -> Float[Array, "obs"]:
        """One for each observation that is there, zero for the others."""
        one = jnp.ones_like(self.S[0])
        return one if self.present is None else jnp.where(self.present, one, 0)


def analyse(
    plan: Plan,
    x: Float[Array, "n state"],
    departures: Departures[Inflation],
    solver: Solver[Inflation],
    finish: Finish = add,
    basis: Float[Array, "m state"] | None = None,
    route: Route = "auto",
) -> tuple[Float[Array, "n state"], Inflation]:
    """The analysis ensemble, x + A T at every point, and the inflation of each unit and level.

    Arguments:
        finish, basis: As in `combine`.
    """
    routes = {"pairs": by_pairs, "rows": by_rows, "levels": by_levels}
    prepare = routes[cheapest(plan, len(departures.S)) if route == "auto" else route]
    return combine(plan, x, prepare(plan, departures, solver), finish, basis)


def cheapest(plan: Plan, members: int) -> Route:
    """`rows` while no unit has more of them than members, then `pairs` or `levels`."""
    if within_reach(plan, plan.location[plan.obs_location], members) is not None:
        return "rows"
    return "pairs" if members <= MOST_PAIRS else "levels"


class Cells(NamedTuple):
    """Departures by location; zero where a slot and level has no observation.

    Arguments:
        S, d: As in `Departures`.
        present: Whether there is an observation, as 0 or 1.
    """

    location: Float[Array, "location axis"]
    S: Float[Array, "location slot observed_level m"]
    d: Float[Array, "location slot observed_level r"]
    present: Float[Array, "location slot observed_level 1"]


def by_pairs(plan: Plan, departures: Departures[Any], solver: Solver[Any]) -> LocalAnalyses:
    """Sums of products of two members over observations, as one matrix product a block."""
    m, r = len(departures.S), len(departures.d)
    index = blocks(plan, m * m, devices.parts())
    start, window = windows(plan, index)

    def weigh(block: Block[Any], A: Array, cells: Cells) -> tuple[Array, Any]:
        near = Cells(*(in_window(v, block.start, window) for v in cells))
        columns = pair_products(near).astype(plan.dtype).reshape(len(near.S), -1)
        sums = tapered(plan, block.position, near.location, columns).astype(wide())
        G, g, totals = split_pairs(sums, m, r)
        spread = jnp.trace(G, axis1=-2, axis2=-1)
        consistency = Consistency((m - 1) * totals[..., 0] / r, spread, totals[..., 1])
        return solver.from_gram(A, G, g, block.units, consistency)

    return LocalAnalyses(index, start, departures.inflation, cells(plan, departures), weigh)


def cells(plan: Plan, departures: Departures) -> Cells:
    """All departures, by location."""
    S, d = (jnp.moveaxis(by_cell(plan, v.T), 2, 0) for v in departures[:2])
    present = jnp.asarray(plan.observation < len(plan.obs_location), S.dtype)
    if departures.present is not None:
        present = by_cell(plan, departures.counts)
    present = jnp.moveaxis(present, 2, 0)[..., None]
    return Cells(jnp.asarray(plan.location, plan.dtype), S, d, present)


def pair_products(cells: Cells) -> Float[Array, "location observed_level column"]:
    """The terms of G (once for each pair), g, Σ d² and Σ 1, summed over slots."""
    S, d = cells.S, cells.d
    a, b = np.triu_indices(S.shape[-1])
    cross = (S[..., :, None] * d[..., None, :]).reshape(*S.shape[:-1], -1)
    squares = (d**2).sum(-1, keepdims=True)
    return jnp.concatenate([S[..., a] * S[..., b], cross, squares, cells.present], -1).sum(1)


def split_pairs(sums: Float[Array, "unit level column"], m: int, r: int) -> tuple[Array, ...]:
    """G (m, m), g (m, r), and the last two columns, from sums over `pair_products`."""
    a, b = np.triu_indices(m)
    pair = np.zeros((m, m), int)
    pair[a, b] = pair[b, a] = np.arange(len(a))
    G, g, totals = jnp.split(sums, (len(a), len(a) + m * r), axis=-1)
    return G[..., pair], g.reshape(*g.shape[:-1], m, r), totals


class RowUnits(NamedTuple):
    """Observations within reach of each unit, and its inflation."""

    near: Int[Array, "unit near"]
    inflation: Any


class Rows(NamedTuple):
    """Rows of all observations, and a row of zeros for none."""

    S: Float[Array, "obs+1 m"]
    d: Float[Array, "obs+1 r"]
    location: Float[Array, "obs+1 axis"]
    counts: Float[Array, "obs+1"] | None


def by_rows(plan: Plan, departures: Departures[Any], solver: Solver[Any]) -> LocalAnalyses:
    """Rows of S and d, gathered by each unit."""
    places = plan.location[plan.obs_location]
    table = within_reach(plan, places)
    assert table is not None
    m, r = len(departures.S), len(departures.d)
    index = blocks(plan, m * table.shape[1], devices.parts())
    start = np.zeros(len(index), np.int32)
    S, d = (jnp.concatenate([v, jnp.zeros_like(v[:, :1])], 1).T for v in departures[:2])
    counts = None if departures.present is None else jnp.append(departures.counts, 0)
    location = jnp.asarray(np.append(places, plan.location[:1], 0), plan.dtype)
    vertical = plan.vertical[:, plan.obs_level]
    vertical = jnp.concatenate([vertical, jnp.zeros_like(plan.vertical[:, :1])], 1)

    def weigh(block: Block[RowUnits], A: Array, rows: Rows) -> tuple[Array, Any]:
        near = block.units.near
        rho = horizontal_near(plan, block.position, near, rows.location)[:, None]
        rho = rho * jnp.moveaxis(vertical[:, near], 0, 1)
        root = jnp.sqrt(rho.astype(rows.S.dtype))[..., None]
        S, d = (root * v[near][:, None] for v in (rows.S, rows.d))
        innovation = (m - 1) * (d**2).sum((-2, -1)) / r
        present = rho if rows.counts is None else rho * rows.counts[near][:, None]
        count = present.sum(-1, dtype=S.dtype)
        consistency = Consistency(innovation, (S**2).sum((-2, -1)), count)
        return solver.from_rows(A, S, d, block.units.inflation, consistency)

    units = RowUnits(jnp.asarray(table), departures.inflation)
    return LocalAnalyses(index, start, units, Rows(S, d, location, counts), weigh)


class LevelUnits(NamedTuple):
    """Locations within reach of each unit, how many they are, and its inflation."""

    near: Int[Array, "unit near"]
    count: Int[Array, "unit"]
    inflation: Any


def by_levels(plan: Plan, departures: Departures[Any], solver: Solver[Any]) -> LocalAnalyses:
    """Sums of products of two members for each observed level, over gathered locations."""
    table = within_reach(plan, plan.location)
    assert table is not None
    m, r = len(departures.S), len(departures.d)
    count = (table < len(plan.location)).sum(1)
    table = np.pad(
        table, ((0, 0), (0, -table.shape[1] % CHUNK)), constant_values=len(plan.location)
    )
    index = blocks(plan, max(m * m, CHUNK * (m + r)), devices.parts())
    layer, vertical = layers(plan)
    columns = level_columns(plan, departures, layer)

    def weigh(block: Block[LevelUnits], A: Array, columns: Array) -> tuple[Array, Any]:
        by_level = sum_near(plan, block.position, block.units, columns)
        sums = product(vertical[None], by_level.reshape(*by_level.shape[:2], -1))
        sums = sums.reshape(*sums.shape[:2], m + r + 1, -1)
        G, g, squares = sums[..., :m, :m], sums[..., :m, m:-1], sums[..., m:, m:]
        innovation = jnp.trace(squares[..., :r, :r], axis1=-2, axis2=-1) * (m - 1) / r
        spread = jnp.trace(G, axis1=-2, axis2=-1)
        consistency = Consistency(innovation, spread, squares[..., r, r])
        return solver.from_gram(A, G, g, block.units.inflation, consistency)

    units = LevelUnits(jnp.asarray(table), jnp.asarray(count), departures.inflation)
    return LocalAnalyses(index, np.zeros(len(index), np.int32), units, columns, weigh)


def layers(plan: Plan) -> tuple[Int[np.ndarray, "layer"], Float[Array, "level layer"]]:
    """The (slot, observed level) pairs that hold observations, and the tapers of their levels."""
    layer = np.flatnonzero((plan.observation < len(plan.obs_location)).any(2))
    return layer, plan.vertical[:, layer % len(plan.observed_levels)].astype(plan.dtype)


def level_columns(
    plan: Plan, departures: Departures, layer: Int[np.ndarray, "layer"]
) -> Float[Array, "location+1 layer column"]:
    """S, d and 1 of each location and layer; zero where nothing is observed."""
    S, d = departures.S, departures.d
    columns = by_cell(plan, jnp.concatenate([S, d, departures.counts[None]]).T)
    columns = columns.reshape(-1, len(plan.location), columns.shape[-1])[layer]
    columns = jnp.swapaxes(columns, 0, 1).astype(plan.dtype)
    return jnp.concatenate([columns, jnp.zeros_like(columns[:1])])


def sum_near(
    plan: Plan,
    position: Float[Array, "unit point axis"],
    units: LevelUnits,
    columns: Float[Array, "location+1 layer column"],
) -> Float[Array, "unit layer column column"]:
    """Sums over the locations near each unit of ρ times the products of two columns."""
    location = jnp.asarray(np.append(plan.location, plan.location[:1], 0), plan.dtype)
    near = units.near.reshape(len(units.near), -1, CHUNK)

    def add_chunk(k: Array, sums: Array) -> Array:
        rho = horizontal_near(plan, position, near[:, k], location)
        root = jnp.sqrt(rho).astype(plan.dtype)[..., None, None]
        rows = jnp.swapaxes(root * columns[near[:, k]], 1, 2)
        return sums + product(rows.mT, rows)

    sums = jnp.zeros((len(near), *columns.shape[1:], columns.shape[2]), plan.dtype)
    return jax.lax.fori_loop(0, -(-units.count.max() // CHUNK), add_chunk, sums)


def by_cell(
    plan: Plan, values: Float[Array, "obs *rest"]
) -> Float[Array, "slot observed_level location *rest"]:
    """Values of observations by slot, observed level and location, zero where there is none."""
    return jnp.concatenate([values, jnp.zeros_like(values[:1])])[plan.observation]


def horizontal_near(
    plan: Plan,
    position: Float[Array, "unit point axis"],
    near: Int[Array, "unit near"],
    location: Float[Array, "place axis"],
) -> Float[Array, "unit near"]:
    """Horizontal taper between each unit and the places near it."""

    def of_unit(points: Array, near: Array) -> Array:
        return plan.taper.horizontal(points[None], location[near])[0]

    return jax.vmap(of_unit)(position, near)


def tapered(
    plan: Plan,
    position: Float[Array, "unit point axis"],
    location: Float[Array, "location axis"],
    columns: Float[Array, "location column"],
) -> Float[Array, "unit level column"]:
    """Sums over locations of the taper times `columns`, which are by observed level."""
    rho = plan.taper.horizontal(position, location)
    by_level = jnp.matmul(rho, columns, precision=HIGHEST)
    by_level = by_level.reshape(len(rho), len(plan.observed_levels), -1)
    return jnp.einsum("lo,uoc->ulc", plan.vertical, by_level, precision=HIGHEST)


def within_reach(
    plan: Plan, location: Float[np.ndarray, "place axis"], limit: int | None = None
) -> Int[np.ndarray, "unit near"] | None:
    """Numbers of the places within reach of each unit, filled up with their count.

    Arguments:
        limit: None is returned where a unit has more places than this.
    """
    index, lists = np.minimum(blocks(plan, 1), len(plan.position) - 1), []
    with jax.ensure_compile_time_eval():
        places = jnp.asarray(location)
        reached = jax.jit(lambda position: plan.taper.horizontal(position, places) > 0)
        for units in index:
            lists += [np.flatnonzero(row) for row in np.asarray(reached(plan.position[units]))]
            if limit is not None and max(map(len, lists)) > limit:
                return None
    table = np.full((len(plan.position), max(1, *map(len, lists))), len(location), np.int32)
    for unit, near in zip(index.ravel(), lists, strict=True):
        table[unit, : len(near)] = near
    return table
