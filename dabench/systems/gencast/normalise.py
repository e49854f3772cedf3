"""From physical units to the network's, and from its targets back (GenCast specification, 2).

Inputs are (x - mean) / std. The target of a variable that is also an input is its 12-hour
difference over the standard deviation of such differences, without a mean; the target of any
other is (x - mean) / std.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from dabench.core.errors import UserError
from dabench.systems.gencast import channels
from dabench.systems.gencast.channels import SST, Field
from dabench.systems.gencast.checkpoint import TaskConfig


@dataclass(frozen=True, eq=False)
class Statistics:
    """One value a variable, or one a level with a `level` coordinate; units of the variables.

    Any variable may be missing from any of them and is then left as it is.
    """

    mean: xr.Dataset
    stddev: xr.Dataset
    diffs_stddev: xr.Dataset
    min: xr.Dataset


def load_statistics(folder: str | Path) -> Statistics:
    """Read `mean_by_level.nc` and its three companions."""
    paths = {f.name: Path(folder) / f"{f.name}_by_level.nc" for f in fields(Statistics)}
    if missing := [path.name for path in paths.values() if not path.exists()]:
        raise UserError(f"{folder}: statistics files are missing: {', '.join(missing)}")
    return Statistics(**{name: xr.load_dataset(path) for name, path in paths.items()})


def values(
    table: xr.Dataset, stacked: Sequence[Field], default: float
) -> Float[np.ndarray, "channel 1"]:
    """The statistic of every channel, by level value, in float32."""
    column = [_value(table, field, default) for field in stacked]
    return np.array(column, np.float32)[:, None]


def _value(table: xr.Dataset, field: Field, default: float) -> float:
    """The statistic of one channel; UserError where the table lacks its level."""
    if field.name not in table:
        return default
    value = table[field.name]
    if "level" not in value.dims:
        return float(value)
    if field.level not in value["level"]:
        raise UserError(f"statistics: {field.name} has no value at level {field.level} hPa")
    return float(value.sel(level=field.level))


@dataclass(frozen=True, eq=False)
class Normaliser:
    """The constants of one task, a value a channel.

    Arguments:
        mean, std: Mean and standard deviation of the known channels: inputs, then forcings.
        offset, scale: x' = (x if residual else 0) + offset + scale · target.
        target_std: Standard deviation of the targets' variables in the climate.
        residual: Whether a target is a difference from the last input.
        fill: Constant that stands for sea-surface temperature where there is no sea, in K.
    """

    mean: Float[np.ndarray, "known 1"]
    std: Float[np.ndarray, "known 1"]
    offset: Float[np.ndarray, "channel 1"]
    scale: Float[np.ndarray, "channel 1"]
    target_std: Float[np.ndarray, "channel 1"]
    residual: Bool[np.ndarray, "channel 1"]
    fill: float

    @classmethod
    def of(cls, task: TaskConfig, statistics: Statistics) -> "Normaliser":
        """The constants of a task from tables of statistics.

        UserError where a table lacks a level.
        """
        stacked = (*channels.inputs(task), *channels.forcings(task))
        target = channels.targets(task)
        residual = np.array([[field.name in task.input_variables] for field in target])
        differences = values(statistics.diffs_stddev, target, 1.0)
        return cls(
            mean=values(statistics.mean, stacked, 0.0),
            std=values(statistics.stddev, stacked, 1.0),
            offset=np.where(residual, np.float32(0), values(statistics.mean, target, 0.0)),
            scale=np.where(residual, differences, values(statistics.stddev, target, 1.0)),
            target_std=values(statistics.stddev, target, 1.0),
            residual=residual,
            fill=_value(statistics.min, Field(SST), 0.0),
        )
