"""A system of four variables and filters that do next to nothing, for tests of the machinery."""

import itertools
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from patience import PATIENCE

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.filters.base import Ensemble, Filter, Problem, split_key
from dabench.systems.base import System

LAYOUT = Layout((Channel("x", "m"),), {"site": np.arange(4)}, dtype="float64")
TRACED: list[str] = []


class Model:
    """x' = 0.9 x shifted by one site + noise."""

    layout = LAYOUT

    def forecast(self, keys, x, time):
        noise = jax.vmap(lambda key: jax.random.normal(key, (4,), x.dtype))(keys)
        return 0.9 * jnp.roll(x, 1, 1) + 0.1 * noise


def truth(seed: int, cycles: int) -> np.ndarray:
    if cycles > 200:
        raise UserError("the truth has 200 cycles")
    return np.random.default_rng(seed).normal(size=(cycles + 1, 4))


def toy(*, noise: float = 0.1) -> System:
    """Four variables on a ring."""
    return System(
        name="toy",
        model=Model(),
        truth=truth,
        climate=np.random.default_rng(1).normal(size=(10, 4)),
        perturb=lambda key, x, amplitude: x + amplitude * jax.random.normal(key, (4,), x.dtype),
        cycle_seconds=60.0,
        digest=f"toy-{noise}",
    )


def forecast(problem: Problem, *, gain: float = 0.1) -> Filter:
    """Forecast, and pull towards the mean of the observations."""

    def step(key, ens, obs):
        TRACED.append("forecast")
        keys, _ = split_key(key, len(ens.x))
        x = problem.model.forecast(keys, ens.x, obs.time) + gain * obs.y.mean()
        info = {"ess": 1.0 / jnp.mean(x**2), "ancestor": jnp.arange(len(x)), "odd": x[:, :2]}
        return Ensemble(x), info

    return Filter(Ensemble, step)


def diverging(problem: Problem, *, after: float = 150.0) -> Filter:
    """Infinite once the time is `after`."""

    def step(key, ens, obs):
        return Ensemble(jnp.where(obs.time > after, jnp.inf, 1.0) * ens.x), {}

    return Filter(Ensemble, step)


def broken(problem: Problem) -> Filter:
    """A method with a bug."""

    def step(key, ens, obs):
        raise ZeroDivisionError("a bug")

    return Filter(Ensemble, step)


def unfit(problem: Problem) -> Filter:
    """A method that cannot work on this system."""
    raise UserError("needs a model that can be differentiated")


SCENARIO = """\
title: Toy
system: {name: toy}
observations: [{error_std: 0.5}]
period: {cycles: 6, spinup: 2}
initial: {kind: perturbed, amplitude: 0.5}
seed: 3
"""


def playground(folder: Path) -> None:
    """Scenario and baselines for the toy in a folder, known to a process that works there.

    No results are published there, which a site would show, too.
    """
    for kind in ("scenarios", "baselines", "leaderboard/results"):
        (folder / kind).mkdir(parents=True)
    (folder / "scenarios/toy.yaml").write_text(SCENARIO)
    for name in METHODS:
        text = f"members: 3\nfilter: {{name: {name}}}\n"
        (folder / f"baselines/{name}.yaml").write_text(text)


METHODS = ("forecast", "diverging", "broken", "unfit")


def install() -> None:
    """Make `toy` and its filters known to this process, as plug-ins would be."""
    from dabench.filters import FILTERS
    from dabench.scenario.plugins import registry
    from dabench.systems import SYSTEMS

    SYSTEMS["toy"] = "toy:toy"
    FILTERS.update({name: f"toy:{name}" for name in METHODS})
    registry.cache_clear()


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A test in a folder with the toy's files, in a process that knows the toy."""
    from dabench.filters import FILTERS
    from dabench.scenario.plugins import registry
    from dabench.systems import SYSTEMS

    monkeypatch.setattr("dabench.filters.FILTERS", dict(FILTERS))
    monkeypatch.setattr("dabench.systems.SYSTEMS", dict(SYSTEMS))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    playground(tmp_path)
    install()
    yield
    registry.cache_clear()


def same(a: xr.DataTree, b: xr.DataTree) -> bool:
    """Whether two runs are identical to the last bit, timings aside."""
    timings = ["seconds", "wall_seconds"]
    pairs = [
        [run[name].to_dataset().drop_vars(timings, errors="ignore") for run in (a, b)]
        for name in a.children
    ]
    return set(a.children) == set(b.children) and all(x.identical(y) for x, y in pairs)


def processes() -> Any:
    """Processes that are quick to start: forked from one that has imported what they need."""
    context = multiprocessing.get_context("forkserver")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    context.set_forkserver_preload(
        [
            "toy",
            "dabench.cli",
            "dabench.runs.cycle",
            "dabench.scores.score",
            "dabench.leaderboard.site",
        ]
    )
    return context


def command(folder: Path, *args: str, strike: tuple[int, signal.Signals] | None = None) -> int:
    """`dabench ARGS` in a process of its own in a folder; its exit code. Output goes to log.txt.

    Arguments:
        strike: (n, signal) sends the process a signal just before its n-th change to a file.
    """
    process = processes().Process(target=_command, args=(folder, args, strike))
    process.start()
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        pytest.fail(f"dabench {args} did not end: {(folder / 'log.txt').read_text()}")
    return process.exitcode


def _command(
    folder: Path, args: tuple[str, ...], strike: tuple[int, signal.Signals] | None
) -> None:
    os.chdir(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    log = os.open("log.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    from dabench.cli import main
    from dabench.runs import cycle

    install()
    sys.argv = ["dabench", *args]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background ignores it
    if strike is not None:
        cycle.FLUSH_SECONDS = 0.0
        _strike(str(folder / "runs"), *strike)
    main()


def _strike(root: str, n: int, how: signal.Signals) -> None:
    changes = itertools.count(1)

    def hook(event: str, args: tuple) -> None:
        writes = event == "open" and (args[1] is None or set("wax+") & set(args[1]))
        moves = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir")
        if (writes or moves) and str(args[0]).startswith(root) and next(changes) == n:
            os.kill(os.getpid(), how)

    sys.addaudithook(hook)
