"""Levels of reports as rows of a table of values, and an account of what is left out and why.

A level has what was reported there, as columns of a frame, NaN where something was not: `station`,
`time`, `latitude`, `longitude`; `level` in hPa, NaN at the ground; `temperature`, `dewpoint` in K
or `relative_humidity` (0 to 1); `direction` in degrees and `speed` in m/s of the wind;
`geopotential` in m2 s-2; `sea_level_pressure` and `pressure` in Pa.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from dabench.scenario.derived import AT_SURFACE
from dabench.scenario.quantities import QUANTITIES

Rows = Bool[np.ndarray, "row"]

MANDATORY = (1000, 925, 850, 700, 500, 400, 300, 250, 200, 150, 100, 70, 50, 30, 20, 10)
"""Mandatory levels of a sounding in hPa."""

PLACE = ["time", "latitude", "longitude", "station", "level"]
MEASURED = (
    "temperature",
    "dewpoint",
    "relative_humidity",
    "direction",
    "speed",
    "geopotential",
    "sea_level_pressure",
    "pressure",
)
"""Columns that a frame of levels may have, beside `PLACE`."""

DIGITS = {"geopotential": 1, "surface_pressure": 0, "mean_sea_level_pressure": 0}
"""Decimals of a value, two for others; specific humidity has four significant digits."""


def values(levels: pd.DataFrame, every_level: bool = False) -> tuple[pd.DataFrame, Counter]:
    """Rows of a table of values, and how many values are left out for each reason.

    Arguments:
        levels: Levels of reports, see above.
        every_level: Keep significant levels, too, and not the mandatory ones alone.
    """
    levels = levels.reindex(columns=[*PLACE, *MEASURED]).reset_index(drop=True)
    left_out: Counter = Counter()
    parts = [part for part in _variables(levels, left_out) if len(part)]
    if not parts:
        return pd.DataFrame(columns=[*PLACE, "variable", "value"]), left_out
    table = pd.concat(parts, ignore_index=True)
    checks: dict[str, Callable[[pd.DataFrame], Rows]] = {
        "at levels that are not mandatory": lambda t: _is_mandatory(t) | every_level,
        "without a time": lambda t: t["time"].notna().to_numpy(bool),
        "without a place": _has_place,
        "that no such variable can have": _is_possible,
        "reported twice": lambda t: ~t.duplicated([*PLACE, "variable"]).to_numpy(bool),
    }
    for reason, check in checks.items():
        sound = check(table)
        left_out[reason] += int((~sound).sum())
        table = table.loc[sound]
    order = ["time", "station", "variable", "level"]
    return table.sort_values(by=order, kind="stable").reset_index(drop=True), +left_out


def _variables(levels: pd.DataFrame, left_out: Counter) -> Iterator[pd.DataFrame]:
    """The rows of each variable, where it was reported."""
    numbers = {name: levels[name].to_numpy(float) for name in (*MEASURED, "level")}
    turn, speed = numbers["direction"], numbers["speed"]
    angle = np.radians(np.where((turn >= 0) & (turn <= 360), turn, np.nan))
    left_out["winds without direction or speed"] += int((np.isnan(angle) ^ np.isnan(speed)).sum())
    fields = {
        "temperature": numbers["temperature"],
        "u_component_of_wind": -speed * np.sin(angle),
        "v_component_of_wind": -speed * np.cos(angle),
        "specific_humidity": _specific_humidity(numbers),
        "geopotential": numbers["geopotential"],
        "mean_sea_level_pressure": numbers["sea_level_pressure"],
        "surface_pressure": numbers["pressure"],
    }
    is_aloft = ~np.isnan(numbers["level"])
    for name, value in fields.items():
        has_level = QUANTITIES[name].has_level
        at_ground = AT_SURFACE.get(name) if has_level else name
        for variable, where in ((name, is_aloft & has_level), (at_ground, ~is_aloft)):
            present = where & ~np.isnan(value)
            if variable is not None and present.any():
                rows = levels.loc[present, PLACE]
                yield rows.assign(variable=variable, value=_rounded(name, value[present]))


def _rounded(name: str, value: Float[np.ndarray, "row"]) -> Float[np.ndarray, "row"]:
    if name != "specific_humidity":
        return value.round(DIGITS.get(name, 2)) + 0.0
    return np.array([float(f"{q:.4g}") for q in value])


def _specific_humidity(levels: Mapping[str, np.ndarray]) -> Float[np.ndarray, "row"]:
    """Specific humidity by dew point, or by relative humidity and temperature, in kg/kg.

    Source: Bolton (1980), Mon. Weather Rev. 108, 1046, equation 10, for the pressure of saturation
        over water.
    """

    def saturation(kelvin: np.ndarray) -> np.ndarray:
        return 611.2 * np.exp(17.67 * (kelvin - 273.15) / (kelvin - 29.65))

    by_humidity = levels["relative_humidity"] * saturation(levels["temperature"])
    by_dewpoint = saturation(levels["dewpoint"])
    vapour = np.where(np.isnan(by_dewpoint), by_humidity, by_dewpoint)
    return 0.622 * vapour / (100 * levels["level"] - 0.378 * vapour)


def _is_mandatory(table: pd.DataFrame) -> Rows:
    level = table["level"].to_numpy(float)
    return np.isnan(level) | np.isin(level.round(3), MANDATORY)


def _has_place(table: pd.DataFrame) -> Rows:
    latitude, longitude = (table[name].to_numpy(float) for name in ("latitude", "longitude"))
    return (np.abs(latitude) <= 90) & (np.abs(longitude) <= 360)


def _is_possible(table: pd.DataFrame) -> Rows:
    """Whether values lie within the bounds of `QUANTITIES`."""
    value, level = (table[name].to_numpy(float) for name in ("value", "level"))
    variable, possible = table["variable"].to_numpy(str), np.ones(len(table), bool)
    for name in np.unique(variable):
        own = variable == name
        possible[own] = QUANTITIES[str(name)].possible(value[own], level[own])
    return possible
