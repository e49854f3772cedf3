"""Levels of reports as rows of a table of values, and an account of what is left out and why.

A level has what was reported there, as columns of a frame, NaN where something was not: `station`,
`time`, `latitude`, `longitude`; `level` in hPa, NaN at the ground; `temperature`, `dewpoint` in K
or `relative_humidity` (0 to 1); `direction` in degrees and `speed` in m/s of the wind;
`geopotential` in m2 s-2; `sea_level_pressure` and `pressure` in Pa.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from dabench.scenario.quantities import QUANTITIES

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
    is_mandatory = table["level"].isna() | table["level"].round(3).isin(MANDATORY)
    checks: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
        "at levels that are not mandatory": lambda t: is_mandatory | every_level,
        "without a time": lambda t: t["time"].notna(),
        "without a place": _has_place,
        "that no such variable can have": _possible,
        "reported twice": lambda t: ~t.duplicated([*PLACE, "variable"]),
    }
    for reason, check in checks.items():
        sound = check(table)
        left_out[reason] += int((~sound).sum())
        table = table[sound]
    order = ["time", "station", "variable", "level"]
    return table.sort_values(order, kind="stable").reset_index(drop=True), +left_out


def _variables(levels: pd.DataFrame, left_out: Counter) -> Iterator[pd.DataFrame]:
    """The rows of each variable, where it was reported."""
    aloft = levels["level"].notna()
    direction = levels["direction"].where(levels["direction"].between(0, 360))
    speed = levels["speed"]
    left_out["wind without direction or speed"] += int((direction.isna() ^ speed.isna()).sum())
    angle = np.radians(direction)
    fields = {
        "temperature": levels["temperature"],
        "u_component_of_wind": -speed * np.sin(angle),
        "v_component_of_wind": -speed * np.cos(angle),
        "specific_humidity": _specific_humidity(levels),
        "geopotential": levels["geopotential"],
    }
    ground = {"2m_temperature": fields["temperature"]} | {
        f"10m_{n}": fields[n] for n in ("u_component_of_wind", "v_component_of_wind")
    }
    ground |= {
        "mean_sea_level_pressure": levels["sea_level_pressure"],
        "surface_pressure": levels["pressure"],
    }
    for at, chosen in ((aloft, fields), (~aloft, ground)):
        for name, value in chosen.items():
            present = at & value.notna()
            yield levels.loc[present, PLACE].assign(
                variable=name, value=_rounded(name, value[present])
            )


def _rounded(name: str, value: pd.Series) -> pd.Series:
    if name != "specific_humidity":
        return value.round(DIGITS.get(name, 2)) + 0.0
    return value.map(lambda q: float(f"{q:.4g}"))


def _specific_humidity(levels: pd.DataFrame) -> pd.Series:
    """Specific humidity by dew point, or by relative humidity and temperature, in kg/kg.

    Source: Bolton (1980), Mon. Weather Rev. 108, 1046, equation 10, for the pressure of saturation
        over water.
    """

    def saturation(kelvin: pd.Series) -> pd.Series:
        return 611.2 * np.exp(17.67 * (kelvin - 273.15) / (kelvin - 29.65))

    by_humidity = levels["relative_humidity"] * saturation(levels["temperature"])
    vapour = saturation(levels["dewpoint"]).fillna(by_humidity)
    return 0.622 * vapour / (100 * levels["level"] - 0.378 * vapour)


def _has_place(table: pd.DataFrame) -> pd.Series:
    return table["latitude"].abs().le(90) & table["longitude"].abs().le(360)


def _possible(table: pd.DataFrame) -> pd.Series:
    """Whether values lie within the bounds of `QUANTITIES`."""
    possible = pd.Series(True, table.index)
    for name, part in table.groupby("variable"):
        bounds = QUANTITIES[str(name)]
        possible[part.index] = bounds.possible(part["value"].to_numpy(), part["level"].to_numpy())
    return possible
