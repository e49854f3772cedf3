"""Batches in the layout of the official files: a model opened on one, and states written as one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from dabench.systems.gencast import batches, channels, checkpoint
from dabench.systems.gencast.checkpoint import TaskConfig
from dabench.systems.gencast.model import FRAME_SECONDS, GenCast, on_grid
from dabench.systems.gencast.normalise import load_statistics


def open_model(
    checkpoint_file: Path, statistics_folder: Path, batch: xr.Dataset, **settings: Any
) -> tuple[GenCast, Float[np.ndarray, "state"], int]:
    """The model of a checkpoint on a batch's grid, the batch's state, and its next valid time.

    Arguments:
        batch: Batch whose first frames are the state.
        settings: Further arguments of `GenCast`.
    Returns:
        The model, the state (filled where there is no sea) and seconds since 1970 of x'.
    """
    loaded = checkpoint.load(checkpoint_file)
    task = loaded.config.task_config
    times = range(channels.frames(task))
    frames = np.stack([batches.frame(batch, task, time) for time in times])
    sst = [i for i, field in enumerate(channels.targets(task)) if field.name == channels.SST]
    no_sea = np.asarray(np.isnan(frames[:, sst]).any(axis=(0, 1)))
    ordered = batch.sortby("lat")
    model = on_grid(
        loaded,
        load_statistics(statistics_folder),
        ordered["lat"].values,
        ordered["lon"].values,
        batches.static(batch, task),
        no_sea,
        **settings,
    )
    state = np.asarray(model.fill(jnp.asarray(frames))).ravel()
    return model, state, batches.seconds(batch, times[-1]) + FRAME_SECONDS


def to_batch(
    frames: Float[np.ndarray, "time channel point"],
    task: TaskConfig,
    latitude: Float[np.ndarray, "lat"],
    longitude: Float[np.ndarray, "lon"],
    hours: Sequence[int],
) -> xr.Dataset:
    """Frames of all target variables as a dataset in the official layout."""
    stacked, data = channels.targets(task), {}
    grid = (len(latitude), len(longitude))
    for name in dict.fromkeys(field.name for field in stacked):
        index = [i for i, field in enumerate(stacked) if field.name == name]
        values = np.asarray(frames)[None, :, index].reshape(1, len(hours), len(index), *grid)
        levels = () if stacked[index[0]].level is None else ("level",)
        values = values if levels else values[:, :, 0]
        data[name] = (("batch", "time", *levels, "lat", "lon"), values)
    coords = {"time": np.array(hours, "timedelta64[h]").astype("timedelta64[ns]")}
    if any(field.level is not None for field in stacked):
        coords["level"] = np.array(task.pressure_levels)
    return xr.Dataset(data, coords | {"lat": latitude, "lon": longitude})
