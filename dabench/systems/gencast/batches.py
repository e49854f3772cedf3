"""Batches in the official files' layout, (batch, time, level, lat, lon), as states."""

import numpy as np
import xarray as xr
from jaxtyping import Float

from dabench.core.errors import UserError
from dabench.systems.gencast import channels
from dabench.systems.gencast.channels import Field
from dabench.systems.gencast.checkpoint import TaskConfig


def frame(dataset: xr.Dataset, task: TaskConfig, time: int) -> Float[np.ndarray, "channel point"]:
    """All target variables at one time index, points latitude-major; NaN where not known.

    Variables that are absent become NaN if the network never reads them, else a UserError.
    """
    return np.stack([_field(dataset, task, field, time) for field in channels.targets(task)])


def static(dataset: xr.Dataset, task: TaskConfig) -> dict[str, Float[np.ndarray, "point"]]:
    """The fields that do not change, by name."""
    names = [name for name in task.input_variables if name in channels.STATIC]
    return {name: _field(dataset, task, Field(name), None) for name in names}


def seconds(dataset: xr.Dataset, time: int) -> int:
    """Valid time of a time index, in seconds since 1970."""
    date = dataset["datetime"].values.reshape(-1, dataset.sizes["time"])[0, time]
    return int(date.astype("datetime64[s]").astype(int))


def _field(
    dataset: xr.Dataset, task: TaskConfig, field: Field, time: int | None
) -> Float[np.ndarray, "point"]:
    if field.name not in dataset:
        if field.name in task.input_variables:
            raise UserError(f"batch: variable {field.name} is missing")
        return np.full(dataset.sizes["lat"] * dataset.sizes["lon"], np.nan, np.float32)
    array = dataset[field.name]
    at = {"batch": 0, "time": time} if time is not None else {"batch": 0}
    array = array.isel({dim: i for dim, i in at.items() if dim in array.dims})
    if field.level is not None:
        array = array.sel(level=field.level)
    return array.sortby("lat").transpose("lat", "lon").values.astype(np.float32).ravel()
