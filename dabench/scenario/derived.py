"""Observed variables that are computed from those of a state, and what each is computed from."""

from typing import NamedTuple

VECTORS = ("u_component_of_wind", "v_component_of_wind")
"""Endings of the names of variables that change sign across a pole."""

AT_SURFACE = {
    "temperature": "2m_temperature",
    "u_component_of_wind": "10m_u_component_of_wind",
    "v_component_of_wind": "10m_v_component_of_wind",
    "wind_speed": "10m_wind_speed",
    "wind_direction": "10m_wind_direction",
}
"""The variable that `levels: [surface]` stands for, where it is not the variable itself."""

DIRECTIONS = ("wind_direction", "10m_wind_direction")
"""Angles in degrees, of which 360 and 0 are the same."""

LAYER_MEAN = "layer_mean_"
"""Beginning of the name of a variable that is averaged over levels."""


class Derived(NamedTuple):
    """What an observed variable is computed from.

    Arguments:
        parts: Variables of the state.
        units: Units; None: those of the parts.
        column: Whether it is of all levels together, and has none itself.
        linear: Whether it depends linearly on its parts.
        stations: Whether it needs the heights of the stations.
        ground: Whether it needs the height of the model's ground.
    """

    parts: tuple[str, ...]
    units: str | None = None
    column: bool = False
    linear: bool = False
    stations: bool = False
    ground: bool = False


WIND_10M = tuple(f"10m_{name}" for name in VECTORS)
PRESSURE = ("mean_sea_level_pressure", "2m_temperature")

DERIVED = {
    "wind_speed": Derived(VECTORS),
    "wind_direction": Derived(VECTORS, "degree"),
    "10m_wind_speed": Derived(WIND_10M),
    "10m_wind_direction": Derived(WIND_10M, "degree"),
    "surface_pressure": Derived(PRESSURE, ground=True),
    "station_pressure": Derived(PRESSURE, ground=True, stations=True),
    "station_temperature": Derived(PRESSURE[1:], linear=True, ground=True, stations=True),
    "total_column_water_vapour": Derived(
        ("specific_humidity",), "kg m**-2", column=True, linear=True
    ),
}
"""Observed variable -> what it is computed from. A system that has the variable has it itself."""
