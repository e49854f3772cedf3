"""LETKF of some columns at one degree: 84 channels, two frames, the network of the paper."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from benchmarks.race import Row, race, temporary_bytes
from dabench.filters import gramian
from dabench.filters.letkf import SquareRoot
from dabench.filters.local import Plan, make_plan
from dabench.filters.localise import localisation
from dabench.filters.routes import Local, analyse
from dabench.scenario import load_scenario
from dabench.systems.base import Layout
from dabench.systems.gencast.system import layout as one_degree

MEMBERS, QUICK_MEMBERS = 256, 64
COLUMNS = 8
SPREAD = 1.5
"""Of the prior, over the error of an observation."""
CORRELATION_KM, CORRELATION_LN_P = 800.0, 0.5
WAVES = 1024


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """Columns drawn at random; `hours` is for all 65 160 of them, by columns over seconds."""
    members = QUICK_MEMBERS if quick else MEMBERS
    layout = one_degree()
    table = load_scenario("era5/temp_4deg").network(layout).table
    plan, local = problem(layout, table, members)
    x = jax.random.normal(jax.random.key(1), (members, np.prod(plan.shape)), plan.dtype)
    candidates, notes, results = {}, {}, {}
    for name, step in steps(plan).items():
        compiled, temporary = temporary_bytes(step, x, local)
        candidates[name] = partial(compiled, x, local)
        results[name] = np.asarray(candidates[name]())
        notes[name] = {"temporary MiB": temporary >> 20}
    first = results[next(iter(results))]
    for name, result in results.items():
        notes[name]["difference"] = float(f"{np.abs(result - first).max():.2g}")
    title = f"LETKF at one degree, {COLUMNS} columns, {members} members, {len(local.d[0])} observed"
    for row in race(title, candidates, rounds, notes):
        hours = row.seconds / COLUMNS * layout.points / 3600
        yield replace(row, notes=row.notes | {"hours": float(f"{hours:.2g}")})


def steps(plan: Plan):
    """The analysis by the route and the functions of G that are to be compared."""

    def step(x: jax.Array, local: Local, *, route: str, most: int) -> jax.Array:
        before, gramian.MOST_TERMS = gramian.MOST_TERMS, most
        try:
            return analyse(plan, x, local, SquareRoot(False), route=route)[0]
        finally:
            gramian.MOST_TERMS = before

    most = gramian.MOST_TERMS
    return {
        "all rows, eigenvectors": partial(step, route="rows", most=1),
        "by levels, eigenvectors": partial(step, route="levels", most=1),
        "by levels, series": partial(step, route="levels", most=most),
    }


def problem(layout: Layout, table: pd.DataFrame, members: int) -> tuple[Plan, Local]:
    """A plan of the columns that are drawn, and departures that are smooth in space."""
    taper = localisation(layout, CORRELATION_KM, None, CORRELATION_LN_P)
    plan = make_plan(layout, table, taper)
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(layout.points, COLUMNS, replace=False))
    frames, fields, _ = plan.shape
    plan = replace(plan, position=plan.position[chosen], shape=(frames, fields, COLUMNS))
    drawn = jnp.asarray(smooth(plan, members + 1, rng))
    S = SPREAD / np.sqrt(members - 1) * (drawn[1:] - drawn[1:].mean(0, keepdims=True))
    noise = rng.normal(size=S.shape[1:]) / np.sqrt(members - 1)
    d = drawn[0] * SPREAD / np.sqrt(members - 1) + noise
    return plan, Local(S, d[None], jnp.ones((COLUMNS, len(plan.levels))))


def smooth(plan: Plan, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, obs) of unit variance: random sums of random waves in space and ln p."""
    where = 6371.0 / CORRELATION_KM * plan.location[plan.place]
    height = plan.observed_levels[plan.level, None] / CORRELATION_LN_P
    phase = np.concatenate([where, height], 1) @ rng.normal(size=(4, WAVES))
    waves = np.cos(phase + rng.uniform(0, 2 * np.pi, WAVES)).astype(np.float32)
    return (rng.normal(size=(count, WAVES)).astype(np.float32) @ waves.T) * np.sqrt(2 / WAVES)
