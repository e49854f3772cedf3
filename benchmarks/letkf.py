"""One cycle of the LETKF on Lorenz-96 of two sizes; against DAPPER's where it can be imported."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from benchmarks.race import Row, race
from dabench.filters.base import Problem
from dabench.filters.letkf import letkf
from dabench.observe import Network, Observation
from dabench.systems.lorenz96 import lorenz96

RADIUS, TRUNCATION, INFLATION, BATCH = 4, 1e-3, 1.02, 2
SPINUP = 50
SMALL, LARGE = 40, 10_000


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """Sakov & Oke's 40 variables with 7 and 20 members; 10 000 variables unless `quick`."""
    cases = [(SMALL, 7), (SMALL, 20), *([] if quick else [(LARGE, 20)])]
    for size, members in cases:
        yield from compare(size, members, rounds)


def compare(size: int, members: int, rounds: int) -> list[Row]:
    """Every variable observed with unit error; forecast and analysis, no statistics.

    `difference` is of the analyses, absolute, where both are there.
    """
    x, y = start(size, members)
    step = ours(size, x)
    candidates, notes = {"ours": lambda: step(x, y)}, {}
    if find_spec("dapper"):
        reference = dapper(size)
        candidates = {"DAPPER": lambda: reference(np.array(x), y), **candidates}
        difference = np.abs(np.asarray(step(x, y)) - candidates["DAPPER"]()).max()
        notes = {"ours": {"difference": float(f"{difference:.2g}")}}
    name = f"LETKF cycle, {size} variables, {members} members"
    return race(name, candidates, rounds, notes, calls=20 if size == SMALL else 1)


def start(size: int, members: int) -> tuple[np.ndarray, np.ndarray]:
    """Members around a state on the attractor, and observations of it."""
    rng, model = np.random.default_rng(0), lorenz96(size=size).model
    keys, time = jax.random.split(jax.random.key(0), members), jnp.asarray(0.0)
    forecast = jax.jit(lambda x: model.forecast(keys, x, time))
    x = jnp.asarray(8 + rng.normal(size=(1, size))) + 0.3 * rng.normal(size=(members, size))
    for _ in range(SPINUP):
        x = forecast(x)
    x = np.asarray(x)
    return x, x[0] + rng.normal(size=size)


def ours(size: int, x: np.ndarray) -> Callable[[Any, Any], jax.Array]:
    """(members, y) -> analysis."""
    site = np.arange(size)
    row = {"group": "x", "variable": "x", "level": np.nan, "site": site, "error_std": 1.0}
    table = pd.DataFrame(row)
    network = Network(lambda x: x, np.ones(size), table, True)
    method = letkf(
        Problem(lorenz96(size=size).model, network, jnp.asarray(x)),
        length_scale_sites=1.82 * RADIUS / np.sqrt(10 / 3),
        truncation=TRUNCATION,
        batch=BATCH,
        inflation=INFLATION,
        rtps=0.0,
    )
    key, time = jax.random.key(0), jnp.asarray(0.0)
    step = jax.jit(lambda carry, y: method.step(key, carry, Observation(time, y))[0].x)
    return lambda x, y: step(method.init(jnp.asarray(x)), jnp.asarray(y))


def dapper(size: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The same with the functions that DAPPER's LETKF calls in a cycle."""
    import dapper.mods as modelling  # pyright: ignore[reportMissingImports]
    from dapper.da_methods.ensemble import local_analyses  # pyright: ignore[reportMissingImports]
    from dapper.mods.Lorenz96 import step  # pyright: ignore[reportMissingImports]
    from dapper.tools.localization import (  # pyright: ignore[reportMissingImports]
        nd_Id_localization,
    )

    noise = modelling.GaussRV(C=1, M=size)
    localizer: Any = nd_Id_localization((size,), (BATCH,))
    batches, taper = localizer(RADIUS, "x2y", "GC")

    def cycle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x = step(x, np.nan, 0.05)
        x, _ = local_analyses(x, x.copy(), noise.C, y, batches, taper)
        mean = x.mean(0, keepdims=True)
        return mean + INFLATION * (x - mean)

    return cycle
