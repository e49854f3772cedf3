"""Soundings (TEMP) and surface reports (SYNOP) in BUFR, read by pdbufr."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dabench.core.errors import UserError

WHEN = ("year", "month", "day", "hour", "minute")
WHERE = ("latitude", "longitude")
WHO = ("blockNumber", "stationNumber", "shipOrMobileLandStationIdentifier")

SOUNDING = {
    "level": "pressure",
    "temperature": "airTemperature",
    "dewpoint": "dewpointTemperature",
    "direction": "windDirection",
    "speed": "windSpeed",
    "geopotential": "nonCoordinateGeopotential",
}
SURFACE = {
    "temperature": "airTemperatureAt2M",
    "direction": "windDirectionAt10M",
    "speed": "windSpeedAt10M",
    "sea_level_pressure": "pressureReducedToMeanSeaLevel",
    "pressure": "nonCoordinatePressure",
}
"""Columns of `reports.values`: the elements of BUFR that they are made of."""

PLACES = 5
"""Decimals of degrees that BUFR has at most; decoding leaves roundings behind them."""

CATEGORIES = ((2, SOUNDING), (0, SURFACE), (1, SURFACE))
"""Data categories (BUFR table A: 0 surface on land, 1 at sea, 2 soundings) with their elements."""


def is_bufr(head: bytes) -> bool:
    """Whether a file that begins so is BUFR, maybe behind the header of a bulletin."""
    return b"BUFR" in head[:200]


def read(path: Path) -> pd.DataFrame:
    """The levels of the reports in a file, as `reports.values` takes them.

    Raises: UserError where pdbufr is not installed, or cannot read the file.
    """
    frames = [levels(_read(path, category, names), names) for category, names in CATEGORIES]
    whole = [frame for frame in frames if len(frame)]
    return pd.concat(whole, ignore_index=True) if whole else pd.DataFrame()


def _read(path: Path, category: int, names: Mapping[str, str]) -> pd.DataFrame:
    """The elements of all reports of one category, a row a level."""
    try:
        import pdbufr  # pyright: ignore[reportMissingImports]
    except ImportError:
        text = "BUFR is read by pdbufr; install it: pip install 'dabench[obs]'"
        raise UserError(f"{path}: {text}") from None
    columns = (*WHEN, *WHERE, *WHO, *names.values())
    options: dict[str, Any] = {"columns": columns, "required_columns": WHERE}
    try:
        return pdbufr.read_bufr(str(path), filters={"dataCategory": category}, **options)
    except Exception as e:  # whatever eccodes raises for a damaged message
        raise UserError(f"{path}: pdbufr cannot read it ({type(e).__name__}: {e})") from None


def levels(frame: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """The levels of reports, in the units of `reports.values`.

    Arguments:
        frame: Elements of BUFR as pdbufr gives them, a row a level; missing ones are NaN.
        names: `SOUNDING` or `SURFACE`.
    """
    if frame.empty:
        return pd.DataFrame()
    frame = frame.reindex(columns=[*WHEN, *WHERE, *WHO, *names.values()])
    values = {name: frame[element].to_numpy(float) for name, element in names.items()}
    if "level" in values:
        values["level"] = (values["level"] / 100).round(3)
    parts = pd.DataFrame(values).assign(
        time=_times(frame),
        station=_stations(frame),
        latitude=frame["latitude"].round(PLACES),
        longitude=frame["longitude"].round(PLACES),
    )
    return parts.dropna(subset="level") if "level" in values else parts


def _times(frame: pd.DataFrame) -> pd.Series:
    """Times of reports; NaT where a date is missing or none."""
    date = frame[list(WHEN)].assign(minute=frame["minute"].fillna(0))
    return pd.to_datetime(date, errors="coerce").astype("datetime64[s]")


def _stations(frame: pd.DataFrame) -> Sequence[str]:
    """WMO numbers of five digits, or identifiers of ships."""
    names = []
    for block, number, ship in zip(*(frame[name] for name in WHO), strict=True):
        if pd.notna(block) and pd.notna(number):
            names.append(f"{int(block):02d}{int(number):03d}")
        else:
            names.append("" if pd.isna(ship) else str(ship).strip())
    return names
