"""LETKF of some columns at one degree: 84 channels, two frames, the network of the paper."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from benchmarks.race import Row, race, temporary_bytes
from dabench.core.layout import Layout
from dabench.filters.local import gramian
from dabench.filters.local.nodes import Nodes
from dabench.filters.local.plan import Plan, make_plan
from dabench.filters.local.routes import Departures, Route, analyse
from dabench.filters.local.square_root import SquareRoot
from dabench.filters.local.taper import Localisation
from dabench.observe.network import networks
from dabench.scenario.load import load_scenario
from dabench.systems.gencast.system import layout as one_degree

MEMBERS, QUICK_MEMBERS = 256, 64
COLUMNS = 8
SPREAD = 1.5
"""Of the prior, over the error of an observation."""
CORRELATION_KM, CORRELATION_LN_P = 800.0, 0.5
WAVES = 1024
STRIDE = 5
TAPER = Localisation(CORRELATION_KM, CORRELATION_LN_P, sphere=True)


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """Columns drawn at random; `hours` is for all 65 160 of them, by columns over seconds."""
    members = QUICK_MEMBERS if quick else MEMBERS
    layout = one_degree()
    table = networks(load_scenario("era5/temp_4deg"), layout).assimilated.table
    plan, local = problem(layout, table, members)
    x = jax.random.normal(jax.random.key(1), (members, math.prod(plan.shape)), plan.dtype)
    candidates, notes, results = {}, {}, {}
    for name, step in steps().items():
        compiled, temporary = temporary_bytes(partial(step, plan), x, local)
        candidates[name] = partial(compiled, x, local)
        results[name] = np.asarray(candidates[name]())
        notes[name] = {"temporary MiB": temporary >> 20}
    first = results[next(iter(results))]
    for name, result in results.items():
        notes[name]["difference"] = float(f"{np.abs(result - first).max():.2g}")
    title = f"LETKF at one degree, {COLUMNS} columns, {members} members, {len(local.d[0])} observed"
    for row in race(title, candidates, rounds, notes):
        yield with_hours(row, layout.points / COLUMNS)
    yield from between(layout, table, members, rounds)


def with_hours(row: Row, times: float) -> Row:
    """With the hours of so many times the work in its notes."""
    return replace(row, notes=row.notes | {"hours": float(f"{row.seconds * times / 3600:.2g}")})


def between(layout: Layout, table: pd.DataFrame, members: int, rounds: int) -> Iterator[Row]:
    """Every point of a cell of nodes by its own weights, and from those of its corners.

    `hours` is for all columns, or for all nodes with the points around them; `difference` is of the
    increments at points that are no nodes, over the exact ones (root mean squares).
    """
    plan = make_plan(layout, table, TAPER, stride=STRIDE)
    every, corners, inside = cell(layout, table, plan)
    local = departures(plan, members)
    x = jax.random.normal(jax.random.key(1), (members, math.prod(corners.shape)), plan.dtype)
    own = (*corners.shape[:2], -1)
    exact_x = x.reshape(members, *own)[..., inside].reshape(members, -1)
    step = steps()["by levels, series"]
    candidates, increments, notes = {}, {}, {}
    for name, plan_, x_ in (("every point", every, exact_x), ("interpolated", corners, x)):
        given = local._replace(inflation=jnp.ones((len(plan_.position), len(plan_.levels))))
        compiled, temporary = temporary_bytes(partial(step, plan_), x_, given)
        candidates[name] = partial(compiled, x_, given)
        notes[name] = {"temporary MiB": temporary >> 20}
        moved = np.asarray(candidates[name]() - x_).reshape(members, *own)
        increments[name] = moved if name == "every point" else moved[..., inside]
    exact, found = (v[..., 1:] for v in increments.values())
    error = np.sqrt(((found - exact) ** 2).mean() / (exact**2).mean())
    notes["interpolated"]["difference"] = float(f"{error:.2g}")
    title = f"LETKF at one degree, a cell of {STRIDE} x {STRIDE} points, {members} members"
    assert plan.nodes is not None
    counts = layout.points / len(every.position), len(plan.nodes.point) / len(corners.position)
    for row, times in zip(race(title, candidates, rounds, notes), counts, strict=True):
        yield with_hours(row, times)


def cell(layout: Layout, table: pd.DataFrame, plan: Plan) -> tuple[Plan, Plan, np.ndarray]:
    """Plans of the points of a cell at 40 N and of its corners; where the first are in the second.

    The corners have all points around them; the south-western one is the first point of the cell.
    """
    nodes = plan.nodes
    assert nodes is not None
    width = len(layout.coords["longitude"])
    south = int(np.searchsorted(layout.coords["latitude"], 40.0))
    first = south * width + 20 * STRIDE
    chosen = np.searchsorted(nodes.point, [first, first + STRIDE])
    chosen = np.append(chosen, np.searchsorted(nodes.point, nodes.point[chosen] + STRIDE * width))
    points = np.unique(nodes.near[chosen])
    near = np.searchsorted(points, nodes.near[chosen])
    around = Nodes(np.searchsorted(points, nodes.point[chosen]), near, nodes.share[chosen])
    steps = np.arange(STRIDE)
    own = (first + steps[:, None] * width + steps).ravel()
    exact = make_plan(layout, table, TAPER)
    shape = plan.shape[:2]
    every = replace(exact, position=exact.position[own], shape=(*shape, len(own)))
    corners = replace(
        plan, position=plan.position[chosen], shape=(*shape, len(points)), nodes=around
    )
    return every, corners, np.searchsorted(points, own)


def steps():
    """The analysis by the route and the functions of G that are to be compared."""

    def step(
        plan: Plan, x: jax.Array, departures: Departures, *, route: Route, most: int
    ) -> jax.Array:
        before, gramian.MOST_TERMS = gramian.MOST_TERMS, most
        try:
            return analyse(plan, x, departures, SquareRoot(adaptive=False), route=route)[0]
        finally:
            gramian.MOST_TERMS = before

    most = gramian.MOST_TERMS
    return {
        "all rows, eigenvectors": partial(step, route="rows", most=1),
        "by levels, eigenvectors": partial(step, route="levels", most=1),
        "by levels, series": partial(step, route="levels", most=most),
    }


def problem(layout: Layout, table: pd.DataFrame, members: int) -> tuple[Plan, Departures]:
    """A plan of the columns that are drawn, and the departures."""
    plan = make_plan(layout, table, TAPER)
    chosen = np.sort(np.random.default_rng(0).choice(layout.points, COLUMNS, replace=False))
    frames, fields, _ = plan.shape
    plan = replace(plan, position=plan.position[chosen], shape=(frames, fields, COLUMNS))
    return plan, departures(plan, members)


def departures(plan: Plan, members: int) -> Departures:
    """Of members, smooth in space, and of observations with errors."""
    rng = np.random.default_rng(0)
    drawn = jnp.asarray(smooth(plan, members + 1, rng))
    S = SPREAD / np.sqrt(members - 1) * (drawn[1:] - drawn[1:].mean(0, keepdims=True))
    noise = rng.normal(size=S.shape[1:]) / np.sqrt(members - 1)
    d = drawn[0] * SPREAD / np.sqrt(members - 1) + noise
    return Departures(S, d[None], jnp.ones((len(plan.position), len(plan.levels))))


def smooth(plan: Plan, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, obs) of unit variance: random sums of random waves in space and ln p."""
    where = 6371.0 / CORRELATION_KM * plan.location[plan.obs_location]
    height = plan.observed_levels[plan.obs_level, None] / CORRELATION_LN_P
    phase = np.concatenate([where, height], 1) @ rng.normal(size=(4, WAVES))
    waves = np.cos(phase + rng.uniform(0, 2 * np.pi, WAVES)).astype(np.float32)
    return (rng.normal(size=(count, WAVES)).astype(np.float32) @ waves.T) * np.sqrt(2 / WAVES)
