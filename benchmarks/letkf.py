"""One cycle of the LETKF on Lorenz-96 of two sizes, against DAPPER's; columns at one degree."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from benchmarks import columns
from benchmarks.race import Row, race
from dabench.core.layout import Channel, Layout
from dabench.filters.base import Problem
from dabench.filters.letkf import Carry, letkf
from dabench.observe.network import Network, Observation
from dabench.systems.toys.lorenz96 import tendency
from dabench.systems.toys.ode import Deterministic, rk4

Step = Callable[[Carry, Any], Carry]

RADIUS, TRUNCATION, INFLATION, BATCH = 4, 1e-3, 1.02, 2
SPINUP = 40
SMALL, LARGE = 40, 10_000
"""Numbers of variables; every one is observed of the first, every second one of the other."""


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """Sakov & Oke's 40 variables with 7 and 20 members; unless `quick`, 10 000 with 40 members.

    And columns of a one-degree analysis.
    """
    cases = [(SMALL, 7), (SMALL, 20), *([] if quick else [(LARGE, 40)])]
    for size, members in cases:
        yield from compare(size, members, rounds)
    yield from columns.run(quick, rounds)


def compare(size: int, members: int, rounds: int) -> list[Row]:
    """Unit errors; forecast and analysis of a filter that has found the truth; no statistics.

    `difference` is of the analyses, absolute, where both are there.
    """
    seen = np.arange(0, size, 1 if size == SMALL else 2)
    step = ours(size, seen)
    carry, y = start(size, members, seen, step)
    candidates, notes = {"ours": lambda: step(carry, y)}, {}
    if find_spec("dapper"):
        reference, x = dapper(size, seen), np.asarray(carry.x)
        candidates = {"DAPPER": lambda: reference(x.copy(), y), **candidates}
        difference = np.abs(np.asarray(step(carry, y).x) - candidates["DAPPER"]()).max()
        notes = {"ours": {"difference": float(f"{difference:.2g}")}}
    name = f"LETKF cycle, {size} variables, {len(seen)} observed, {members} members"
    return race(name, candidates, rounds, notes, calls=20 if size == SMALL else 1)


def start(size: int, members: int, seen: np.ndarray, step: Step) -> tuple[Carry, np.ndarray]:
    """What the filter carries after its spin-up, and the observations of the next cycle."""
    rng, model = np.random.default_rng(0), lorenz96(size)
    forecast = jax.jit(lambda x: model.forecast(jax.random.key(0)[None], x, jnp.asarray(0.0)))
    truth = jnp.asarray(8 + rng.normal(size=(1, size)))
    for _ in range(100):
        truth = forecast(truth)
    x = truth + 0.3 * rng.normal(size=(members, size))
    carry = Carry(x, jnp.ones((size // BATCH, 1)))
    for cycle in range(SPINUP):
        truth = forecast(truth)
        y = np.asarray(truth)[0, seen] + rng.normal(size=len(seen))
        if cycle < SPINUP - 1:
            carry = step(carry, y)
    return carry, y


def lorenz96(size: int) -> Deterministic:
    """The model alone: the climate of the system would take minutes to make."""
    layout = Layout((Channel("x"),), {"site": np.arange(size)}, periodic=True, dtype="float64")
    return Deterministic(layout, lambda x: rk4(lambda x: tendency(x, 8.0), x, 0.05, 1))


def ours(size: int, seen: np.ndarray) -> Step:
    """(carry, y) -> carry."""
    row = {"group": "x", "variable": "x", "level": np.nan, "site": seen, "error_std": 1.0}
    network = Network(lambda x: x[seen], np.ones(len(seen)), pd.DataFrame(row), True)
    method = letkf(
        Problem(lorenz96(size), network, jnp.zeros((1, size))),
        length_scale_sites=1.82 * RADIUS / np.sqrt(10 / 3),
        truncation=TRUNCATION,
        batch=BATCH,
        inflation=INFLATION,
        rtps=0.0,
    )
    key, time = jax.random.key(0), jnp.asarray(0.0)
    return jax.jit(lambda carry, y: method.step(key, carry, Observation(time, y))[0])


def dapper(size: int, seen: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The same with the functions that DAPPER's LETKF calls in a cycle."""
    import dapper.mods as modelling  # pyright: ignore[reportMissingImports]
    from dapper.da_methods.ensemble import local_analyses  # pyright: ignore[reportMissingImports]
    from dapper.mods.Lorenz96 import step  # pyright: ignore[reportMissingImports]
    from dapper.tools.localization import (  # pyright: ignore[reportMissingImports]
        nd_Id_localization,
    )

    noise = modelling.GaussRV(C=1, M=len(seen))
    localizer: Any = nd_Id_localization((size,), (BATCH,), seen)
    batches, taper = localizer(RADIUS, "x2y", "GC")

    def cycle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x = step(x, np.nan, 0.05)
        x, _ = local_analyses(x, x[:, seen], noise.C, y, batches, taper)
        mean = x.mean(0, keepdims=True)
        return mean + INFLATION * (x - mean)

    return cycle
