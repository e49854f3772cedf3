"""Forecasts over one cycle from the archived analyses of a run, drawn anew."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from dabench.core.errors import UserError
from dabench.core.random import stream
from dabench.core.types import Members
from dabench.diffusion.model import Sampler
from dabench.filters.base import split_key
from dabench.filters.forecast import forecast
from dabench.runs.archive import read
from dabench.runs.exchange.export import Forecasts
from dabench.runs.exchange.recorded import experiment
from dabench.runs.experiment import Experiment


def background(run: str | Path) -> Forecasts:
    """One-cycle forecasts of the members of a run.

    A state of two frames is put together from the members of two cycles. This is exact for methods
    that draw or choose members. Kalman-type methods also change the older frame, whose archived
    values are those before the newer observations were used.

    Arguments:
        run: Folder of the run, with all members.
    """
    tree = read.open_run(run)
    whole = experiment(tree.attrs)
    problem, layout, twin = whole.problem, whole.system.layout, whole.twin
    sampler = tree.attrs["settings"].get("sampler")
    sampler = Sampler(**sampler) if sampler else None
    members, diagnostics = tree["members"].to_dataset(), tree["diagnostics"].to_dataset()
    key = stream(int(tree.attrs["seed"]), "export")

    @jax.jit
    def step(k: Any, x: Members, time: Any) -> Members:
        keys, _ = split_key(jax.random.fold_in(key, k), len(x))
        return layout.now(forecast(problem, keys, x, time, sampler)[0])

    def frame(k: int) -> np.ndarray:
        return layout.from_dataset(members.isel(cycle=k), ("member",))

    def state(k: int) -> np.ndarray:
        if k == 0:
            return np.asarray(twin.initial(members.sizes["member"]))
        frames = [frame(k)]
        if layout.frames > 1:
            older = frame(k - 1)
            if "ancestor" in diagnostics:
                older = older[diagnostics["ancestor"].values[k]]
            frames.insert(0, older)
        return np.stack(frames[-layout.frames :], 1).reshape(len(frames[0]), -1)

    def draw(k: int) -> xr.Dataset:
        time = twin.times[k] + whole.system.cycle_seconds
        fields = step(np.uint32(k), jnp.asarray(state(k), layout.dtype), time)
        return layout.to_dataset(np.asarray(fields), ("member",))

    return Forecasts(draw, whole.system.cycle_seconds, truth_after(whole))


def truth_after(whole: Experiment) -> xr.Dataset | None:
    """The truth one cycle after the last of an experiment; None where the system ends before."""
    layout = whole.system.layout
    try:
        truth = whole.system.truth(whole.scenario.seed, whole.scenario.period.cycles + 1)
    except UserError:
        return None
    return layout.to_dataset(np.asarray(layout.now(truth[-1])))
