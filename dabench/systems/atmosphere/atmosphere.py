"""What is particular to one embedded atmosphere: its fields, their levels and band, its ground."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dabench.core.layout import Channel

Coefficients = Float[np.ndarray, "frame channel coefficient"]
Ground = Mapping[str, Float[np.ndarray, "coefficient"]]
LMAX = 31  # largest degree of every field of both atmospheres

SURFACE = {
    "10m_u_component_of_wind": "m s**-1",
    "10m_v_component_of_wind": "m s**-1",
    "2m_temperature": "K",
    "mean_sea_level_pressure": "Pa",
}


class Statistics(NamedTuple):
    """Normalisation: area- and time-mean, standard deviation, and that of 12-hour differences."""

    mean: Float[np.ndarray, "channel"]
    std: Float[np.ndarray, "channel"]
    diff_std: Float[np.ndarray, "channel"]


@dataclass(frozen=True, eq=False)
class Atmosphere:
    """Fields of an embedded atmosphere.

    Arguments:
        name: Name of the system.
        title: What it is, in a few words.
        upper: Units by name, of the fields that exist on `levels`; those of `SURFACE` come too.
        levels: Pressure levels in hPa, ascending.
        static: Names of the fields that do not change, as GenCast has them.
        ground: Folder of shipped files -> the coefficients of the static fields, in SI units.
        files: Folder of the files that come with the package.
    """

    name: str
    title: str
    upper: Mapping[str, str]
    levels: tuple[int, ...]
    static: tuple[str, ...]
    ground: Callable[[Path], Ground]
    files: Path

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """The fields in GenCast's stacking order: names sorted as ASCII, levels ascending."""
        fields = [Channel(name, units) for name, units in SURFACE.items()]
        fields += [
            Channel(name, units, level)
            for name, units in self.upper.items()
            for level in self.levels
        ]
        return tuple(sorted(fields, key=lambda c: (c.name, c.level or 0)))


def mean_and_std(coefficients: Float[np.ndarray, "coefficient"]) -> tuple[float, float]:
    """Area mean and standard deviation of a field."""
    scaled = coefficients / np.sqrt(4 * np.pi)
    return float(scaled[0]), float(np.sqrt((scaled[1:] ** 2).sum()))


def normalised(coefficients: Float[np.ndarray, "coefficient"]) -> Float[np.ndarray, "coefficient"]:
    """The field less its area mean, over its standard deviation."""
    mean, std = mean_and_std(coefficients)
    normal = coefficients / std
    normal[0] -= mean / std * np.sqrt(4 * np.pi)
    return normal
