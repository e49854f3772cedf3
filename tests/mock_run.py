"""Finished runs made of random numbers, laid out by the archive's own code."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dabench.core.layout import Channel, Layout
from dabench.runs.archive.layout import Record, label
from dabench.runs.archive.status import Status
from dabench.runs.archive.store import Archive
from dabench.scores.record import GLOBAL, Cell, Key, Score, Scores, Variable

SPHERE = Layout(
    (
        Channel("2m_temperature", "K"),
        Channel("temperature", "K", 250.0),
        Channel("temperature", "K", 500.0),
        Channel("u_component_of_wind", "m s**-1", 500.0),
    ),
    {"latitude": np.linspace(-90, 90, 7), "longitude": np.arange(0, 360, 45.0)},
    frames=2,
)
SITES = Layout(tuple(Channel(c) for c in "xyz"), {"site": np.arange(2)}, dtype="float64")
EVERY, ERROR_STD = 5, 0.2


def record(
    layout: Layout, *, cycles: int = 9, members: int = 4, error: float = 0.5, seed: int = 0
) -> Record:
    """Truth and observations depend on the size alone, members on `seed` too."""
    shape, rng = (len(layout.channels), layout.points), np.random.default_rng(99)
    truth = (280 + rng.normal(size=(cycles + 1, *shape))).astype(layout.dtype)
    y = observed(truth)
    y = y + ERROR_STD * rng.normal(size=y.shape)
    y[0] = np.nan
    rng = np.random.default_rng(seed)
    drift = error * rng.normal(size=(cycles + 1, 1, *shape))
    x = truth[:, None] + drift + error * rng.normal(size=(cycles + 1, members, *shape))
    hx = np.stack([observed(x[:, i]) for i in range(members)], 1)
    info: dict[str, Any] = {
        "ess": rng.uniform(1, members, cycles + 1),
        "alpha": rng.uniform(0, 1, cycles + 1),
        "ancestor": np.where(
            np.arange(cycles + 1)[:, None], rng.integers(members, size=members), -1
        ),
        "background_obs": hx.mean(1),
        "background_var": hx.var(1, ddof=min(1, members - 1)),
        "evaluations": np.full(cycles + 1, 20.0),
        "seconds": np.linspace(0.1, 0.2, cycles + 1),
        "wall_seconds": np.linspace(0.2, 0.4, cycles + 1),
    }
    time, spread = 43200.0 * np.arange(cycles + 1), x.std(1, ddof=min(1, members - 1))
    kept = x.astype(layout.dtype)
    return Record(
        np.arange(cycles + 1), time, truth, kept.mean(1, dtype=float), spread, kept, y, info
    )


def observed(fields: np.ndarray) -> np.ndarray:
    """h: every fifth point of the last channel."""
    return fields[:, -1, ::EVERY].astype(float)


def network(layout: Layout) -> pd.DataFrame:
    last, places = layout.channels[-1], layout.positions
    table = pd.DataFrame({name: values[::EVERY] for name, values in places.items()})
    level = np.nan if last.level is None else last.level
    given = {"group": "last", "variable": last.name, "level": level, "units": last.units}
    return table.assign(**given, error_std=ERROR_STD)


def write(folder: Path, layout: Layout = SPHERE, rec: Record | None = None, **attrs: Any) -> Record:
    """A run in `folder`; `attrs` in place of the usual ones."""
    rec = record(layout) if rec is None else rec
    last, members = int(rec.cycle[-1]), (4 if rec.members is None else rec.members.shape[1])
    attrs = {"status": "complete", "completed": last, "members": members} | attrs
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    groups = label(layout, network(layout), rec)
    first = {name: group.isel(cycle=slice(0, 1)) for name, group in groups.items()}
    archive = Archive(folder)
    archive.create(first, rec.time, IDENTITY | attrs)
    archive.append(groups)
    return rec


def scores(
    values: Mapping[tuple[Cell, str], float | None] | None = None,
    series: Mapping[tuple[Cell, str], Sequence[float]] | None = None,
    status: str = "complete",
    **changes: Any,
) -> Scores:
    """Scores without an archive, of the globe, by cell and metric; `changes` in place of the usual.

    Arguments:
        series: Values of every cycle, the initial state included.
    """
    numbers = {Key(*cell, GLOBAL, name): Score(v) for (cell, name), v in (values or {}).items()}
    lines = {
        Key(*cell, GLOBAL, name): np.array(v, float) for (cell, name), v in (series or {}).items()
    }
    cells = {key.variable: Variable("K", (key.level,)) for key in (*numbers, *lines)}
    done = max((len(v) for v in lines.values()), default=10) - 1
    facts: dict[str, Any] = {
        "metric_version": "1", "members": 4, "completed": done, "status": Status.parse(status),
        "regions": {GLOBAL: 1}, "variables": cells, "seconds": np.arange(done + 1.0),
        "scores": numbers, "every_cycle": lines, "histograms": {}, "spectra": {},
        "observations": None, "ensemble": {}, "cost": {},
    }  # fmt: skip
    return Scores(**(IDENTITY | facts | changes))


IDENTITY: dict[str, Any] = {
    "scenario": {
        "name": "mock", "title": "Random numbers", "source": "nobody", "digest": "5c3",
        "system": {"name": "noise"}, "period": {"cycles": 9, "spinup": 2}, "seed": 0,
    },
    "system": {"name": "noise", "digest": "5y5"},
    "method": "guess", "filter": "guess", "settings": {"gain": 0.5}, "digest": "d16",
    "seed": 0, "cycles": 9, "spinup": 2,
    "provenance": {
        "commit": "c0ffee", "device": "1 x cpu (cpu)", "command": "dabench run mock",
        "packages": {"python": "3.11", "dabench": "0.1.0"}, "created": "2026-01-01T00:00:00+00:00",
    },
}  # fmt: skip
