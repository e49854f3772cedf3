"""Quantities that tables of observations may hold, their units, and which values are possible."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from dabench.core.units import GRAVITY

TROPOPAUSE_HPA, TROPOPAUSE_METRES = 226.32, 11_000.0


class Quantity(NamedTuple):
    """A variable that is observed.

    Arguments:
        units: Units of its values.
        low, high: Bounds beyond which a value is in other units, or no observation.
        has_level: Whether it is at a pressure level, rather than at the ground.
    """

    units: str
    low: float
    high: float
    has_level: bool = False

    def possible(
        self, value: Float[np.ndarray, "row"], level: Float[np.ndarray, "row"]
    ) -> Bool[np.ndarray, "row"]:
        """Whether each value can be one of this quantity at a pressure in hPa."""
        possible = (value >= self.low) & (value <= self.high)
        if self.units != "m2 s-2":
            return possible
        usual = usual_geopotential(level)
        return possible & (np.abs(value - usual) <= 0.15 * np.abs(usual) + 12_000)


QUANTITIES = {
    "temperature": Quantity("K", 150, 350, has_level=True),
    "specific_humidity": Quantity("kg kg-1", 0, 0.1, has_level=True),
    "u_component_of_wind": Quantity("m s-1", -200, 200, has_level=True),
    "v_component_of_wind": Quantity("m s-1", -200, 200, has_level=True),
    "wind_speed": Quantity("m s-1", 0, 200, has_level=True),
    "wind_direction": Quantity("degree", 0, 360, has_level=True),
    "vertical_velocity": Quantity("Pa s-1", -100, 100, has_level=True),
    "geopotential": Quantity("m2 s-2", -20_000, 1_000_000, has_level=True),
    "2m_temperature": Quantity("K", 150, 350),
    "10m_u_component_of_wind": Quantity("m s-1", -150, 150),
    "10m_v_component_of_wind": Quantity("m s-1", -150, 150),
    "10m_wind_speed": Quantity("m s-1", 0, 150),
    "10m_wind_direction": Quantity("degree", 0, 360),
    "mean_sea_level_pressure": Quantity("Pa", 85_000, 110_000),
    "surface_pressure": Quantity("Pa", 30_000, 110_000),
    "total_column_water_vapour": Quantity("kg m-2", 0, 120),
    "sea_surface_temperature": Quantity("K", 265, 320),
    "total_precipitation_12hr": Quantity("m", 0, 5),
}
"""By name of the variable.

The bounds are wider than what was ever measured (temperature 184 to 330 K, sea-level pressure 870
to 1085 hPa, jets 150 m/s, columns
of 80 kg m-2) and narrow enough that degrees Celsius, hPa and g/kg are outside.
"""


def usual_geopotential(level: Float[np.ndarray, "row"]) -> Float[np.ndarray, "row"]:
    """Geopotential in m2 s-2 of pressures in hPa in the standard atmosphere (ICAO, to 20 km).

    The true one is within 15 % of it and 12 000 m2 s-2, which heights in metres are not from
    700 hPa upwards.
    """
    below = 44_331 * (1 - (level / 1013.25) ** 0.19026)
    above = TROPOPAUSE_METRES + 6341.6 * np.log(TROPOPAUSE_HPA / level)
    return GRAVITY * np.where(level > TROPOPAUSE_HPA, below, above)
