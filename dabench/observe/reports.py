"""Tables of real networks: where stations are, and what each of them reported."""

import csv
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from dabench.scenario.locations import Misfit, Reports

UPPER_AIR = {
    "temperature": "T",
    "specific_humidity": "Q",
    "u_component_of_wind": "W",
    "v_component_of_wind": "W",
    "wind_speed": "W",
    "wind_direction": "W",
    "geopotential": "Z",
}
SURFACE = {
    "2m_temperature": "T",
    "10m_u_component_of_wind": "W",
    "10m_v_component_of_wind": "W",
    "10m_wind_speed": "W",
    "10m_wind_direction": "W",
    "mean_sea_level_pressure": "M",
    "surface_pressure": "P",
    "station_pressure": "P",
    "station_temperature": "T",
}
"""Variable -> the letter that stands for it in the tables."""


class Table(NamedTuple):
    """What the stations of a network reported.

    Arguments:
        latitude, longitude: In degrees, south and west negative or from 180 on.
        letters: Level in hPa, or None for the surface -> the letters of every station.
        height: In m above the sea, NaN where it was not told.
    """

    latitude: Float[np.ndarray, "station"]
    longitude: Float[np.ndarray, "station"]
    letters: dict[float | None, list[str]]
    height: Float[np.ndarray, "station"]


@cache
def table(name: str) -> Table:
    """The table of a network in this package."""
    path = resources.files("dabench.observe") / "tables" / f"{name}.csv"
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    latitude, longitude = (
        np.array([float(row[name]) for row in rows]) for name in ("latitude", "longitude")
    )
    columns = [c for c in rows[0] if c not in ("latitude", "longitude", "height")]
    letters = {_level(c): [row[c] for row in rows] for c in columns}
    height = np.array([float(row["height"] or "nan") for row in rows])
    return Table(latitude, longitude, letters, height)


def _level(column: str) -> float | None:
    return None if column == "surface" else float(column)


def reported_fields(
    where: object, fields: Sequence[tuple[str, float | None]], stations: int
) -> Bool[np.ndarray, "field station"]:
    """Whether each station reports each field; all do in networks that are not from a table.

    Arguments:
        where: Locations of a group.
        fields: Variables, each with its level in hPa or None.
        stations: Number of stations.
    Raises: Misfit if no station of a table reports any of them.
    """
    if not isinstance(where, Reports):
        return np.ones((len(fields), stations), bool)
    letters = table(where.reports).letters
    masks = np.zeros((len(fields), stations), bool)
    for mask, (variable, level) in zip(masks, fields, strict=True):
        letter = _meaning(level).get(variable)
        if letter and level in letters:
            mask[:] = [letter in cell for cell in letters[level]]
    if not masks.any():
        raise Misfit(("variables",), _content(where.reports, letters))
    return masks


def _meaning(level: float | None) -> dict[str, str]:
    return SURFACE if level is None else UPPER_AIR


def _content(name: str, letters: dict[float | None, list[str]]) -> str:
    """What the stations of a table report, for a message."""
    present = {letter for cells in letters.values() for letter in "".join(cells)}
    variables = [v for v, letter in _meaning(next(iter(letters))).items() if letter in present]
    levels = ", ".join("the surface" if hpa is None else f"{hpa:g} hPa" for hpa in letters)
    return f"{name} report nothing of this group, but {', '.join(variables)} at {levels}"
