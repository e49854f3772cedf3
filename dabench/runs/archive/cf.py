"""Metadata by the CF conventions: what variables and coordinates of an archive are, for any reader.

Source: CF-1.11, https://cfconventions.org, and its table of standard names.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

CONVENTIONS = {"Conventions": "CF-1.11"}
"""Attributes of the root of an archive."""

STANDARD_NAMES = {
    "temperature": "air_temperature",
    "2m_temperature": "air_temperature",
    "u_component_of_wind": "eastward_wind",
    "10m_u_component_of_wind": "eastward_wind",
    "v_component_of_wind": "northward_wind",
    "10m_v_component_of_wind": "northward_wind",
    "vertical_velocity": "lagrangian_tendency_of_air_pressure",
    "geopotential": "geopotential",
    "specific_humidity": "specific_humidity",
    "mean_sea_level_pressure": "air_pressure_at_mean_sea_level",
    "sea_surface_temperature": "sea_surface_temperature",
    "total_precipitation_12hr": "lwe_thickness_of_precipitation_amount",
}
"""Variable -> what it is by CF; variables of toy systems have no standard name."""

COORDINATES: dict[str, dict[str, str]] = {
    "latitude": {
        "standard_name": "latitude",
        "long_name": "latitude",
        "units": "degrees_north",
        "axis": "Y",
    },
    "longitude": {
        "standard_name": "longitude",
        "long_name": "longitude",
        "units": "degrees_east",
        "axis": "X",
    },
    "level": {
        "standard_name": "air_pressure",
        "long_name": "pressure level",
        "units": "hPa",
        "positive": "down",
        "axis": "Z",
    },
    "member": {"standard_name": "realization", "long_name": "ensemble member", "units": "1"},
    "time": {"standard_name": "time", "long_name": "valid time", "axis": "T"},
    "cycle": {"long_name": "assimilation cycle", "units": "1"},
    "site": {"long_name": "place in a row of sites", "units": "1"},
}

CELL_METHODS = {"mean": "member: mean", "spread": "member: standard_deviation"}
"""Group -> how its fields come from the members."""

FIELDS = ("truth", "members", *CELL_METHODS)
"""Groups whose variables are what their names say."""


def described(name: str, group: xr.Dataset) -> xr.Dataset:
    """A group of an archive with metadata on its variables and coordinates; values stay.

    Arguments:
        name: Name of the group.
        group: The group, with units on its variables.
    """
    group = group.copy(deep=False)
    if "member" in group.dims:
        group = group.assign_coords(member=np.arange(group.sizes["member"]))
    if name in FIELDS:
        for key, variable in group.data_vars.items():
            variable.attrs = _field(str(key), name) | variable.attrs
    for key, coordinate in group.coords.items():
        coordinate.attrs = _coordinate(str(key), coordinate) | coordinate.attrs
    return group


def _field(variable: str, group: str) -> dict[str, Any]:
    standard = STANDARD_NAMES.get(variable)
    return (
        ({"standard_name": standard} if standard else {})
        | {"long_name": variable.replace("_", " ")}
        | ({"cell_methods": CELL_METHODS[group]} if group in CELL_METHODS else {})
    )


def _coordinate(name: str, coordinate: xr.DataArray) -> Mapping[str, Any]:
    """Metadata of a coordinate; only those along a dimension of their own are axes."""
    attrs = COORDINATES.get(name, {})
    is_axis = coordinate.dims == (name,) or name == "time"
    return attrs if is_axis else {key: value for key, value in attrs.items() if key != "axis"}
