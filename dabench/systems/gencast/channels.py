"""What is stacked into the channels of the network's input and output, and in which order.

GenCast specification, sections 1.1 and 1.3.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from dabench.core.layout import Channel, Layout
from dabench.systems.gencast.checkpoint import TaskConfig

FRAME_HOURS = 12
SST = "sea_surface_temperature"

ATMOSPHERIC = frozenset(
    {
        "geopotential",
        "specific_humidity",
        "temperature",
        "u_component_of_wind",
        "v_component_of_wind",
        "vertical_velocity",
    }
)
STATIC = frozenset({"geopotential_at_surface", "land_sea_mask"})
UNITS = {
    "10m_u_component_of_wind": "m s-1",
    "10m_v_component_of_wind": "m s-1",
    "2m_temperature": "K",
    "mean_sea_level_pressure": "Pa",
    SST: "K",
    "total_precipitation_12hr": "m",
    "geopotential": "m2 s-2",
    "specific_humidity": "kg kg-1",
    "temperature": "K",
    "u_component_of_wind": "m s-1",
    "v_component_of_wind": "m s-1",
    "vertical_velocity": "Pa s-1",
}
CLOCK = frozenset({f"{of}_progress_{wave}" for of in ("year", "day") for wave in ("sin", "cos")})


class Field(NamedTuple):
    """One channel: a variable, the valid time of its frame in hours from now, its level in hPa."""

    name: str
    hours: int | None = None
    level: int | None = None

    def __str__(self) -> str:
        hours = "" if self.hours is None else f":t{self.hours:+d}h"
        return self.name + hours + ("" if self.level is None else f":p{self.level}")


def frames(task: TaskConfig) -> int:
    """How many input frames the task's input duration holds."""
    hours = pd.to_timedelta([task.input_duration]).total_seconds()[0] / 3600
    return int(hours // FRAME_HOURS)


def inputs(task: TaskConfig) -> tuple[Field, ...]:
    """Channels known before the forecast: sorted by name, then by time, then by level."""
    hours = [FRAME_HOURS * (i + 1 - frames(task)) for i in range(frames(task))]
    return _stack(task, task.input_variables, hours)


def forcings(task: TaskConfig) -> tuple[Field, ...]:
    """Channels known of the next frame."""
    return _stack(task, task.forcing_variables, [FRAME_HOURS])


def targets(task: TaskConfig) -> tuple[Field, ...]:
    """Channels of the output, which are those of the noisy target too."""
    return _stack(task, task.target_variables, [FRAME_HOURS])


def forcings_and_targets(task: TaskConfig) -> tuple[Field, ...]:
    """The second group of input channels: forcings and noisy targets, sorted together by name."""
    return _stack(task, (*task.forcing_variables, *task.target_variables), [FRAME_HOURS])


def _stack(task: TaskConfig, names: tuple[str, ...], hours: list[int]) -> tuple[Field, ...]:
    fields = []
    for name in sorted(names):
        times = [None] if name in STATIC else hours
        levels = task.pressure_levels if name in ATMOSPHERIC else [None]
        fields += [Field(name, time, level) for time in times for level in levels]
    return tuple(fields)


def layout(
    task: TaskConfig,
    latitude: Float[np.ndarray, "lat"],
    longitude: Float[np.ndarray, "lon"],
    land: Bool[np.ndarray, "point"] | None = None,
    no_sea: Bool[np.ndarray, "point"] | None = None,
    height: Float[np.ndarray, "point"] | None = None,
) -> Layout:
    """The layout of a task's states on a grid of ERA5.

    Arguments:
        latitude, longitude: Degrees, ascending.
        land: Which points are on land, where that is known.
        no_sea: Where sea-surface temperature has no meaning; None: nowhere.
        height: Height of the ground in m, where that is known.
    """
    stacked = targets(task)
    is_sst = np.array([field.name == SST for field in stacked])
    return Layout(
        tuple(Channel(f.name, UNITS.get(f.name, "1"), f.level) for f in stacked),
        {"latitude": np.asarray(latitude), "longitude": np.asarray(longitude)},
        frames=frames(task),
        land=land,
        height=height,
        undefined=None if no_sea is None else is_sst[:, None] & no_sea[None],
    )
