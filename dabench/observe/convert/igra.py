"""Station files of IGRA v2: soundings as text in fixed columns.

Format: NOAA NCEI, "IGRA v2.2 Format Description: Sounding Data" (versions 2.0 to 2.2). A sounding
is a header, which begins with #, and a line for each level.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd

from dabench.core.errors import UserError
from dabench.core.units import GRAVITY
from dabench.scenario.validate import quoted

MISSING = (-9999, -8888)
"""Numbers that stand for a value that was not reported, or was removed by quality control."""

HEADER = {
    "year": slice(13, 17),
    "month": slice(18, 20),
    "day": slice(21, 23),
    "hour": slice(24, 26),
    "release": slice(27, 31),
    "levels": slice(32, 36),
    "latitude": slice(55, 62),
    "longitude": slice(63, 71),
}
LEVEL = {
    "pressure": slice(9, 15),
    "height": slice(16, 21),
    "temperature": slice(22, 27),
    "humidity": slice(28, 33),
    "depression": slice(34, 39),
    "direction": slice(40, 45),
    "speed": slice(46, 51),
}
"""Columns of the numbers of a header and of a level, counted from 0."""

NO_HOUR = 99


def is_igra(head: bytes) -> bool:
    """Whether a file that begins so is one of IGRA."""
    return head.startswith(b"#") and head[1:12].isalnum() and head[12:17].strip().isdigit()


def read(path: Path, first: np.datetime64 | None, last: np.datetime64 | None) -> pd.DataFrame:
    """The levels of the soundings of a station file, as `reports.values` takes them.

    The time of a sounding is its nominal hour, or its release where there is none.

    Arguments:
        path: Text, or a zip of one text as NCEI has them.
        first, last: Times that the soundings lie between, ends included; None: no bound.
    Raises: UserError that names file, line and columns where the format is another.
    """
    numbered = enumerate(_lines(path), 1)
    rows: list[dict[str, Any]] = []
    for number, line in numbered:
        if not line.strip():
            continue
        if not line.startswith("#"):
            raise UserError(f"{path}, line {number}: {quoted(line[:40])} is no header, which has #")
        header = _numbers(path, number, line, HEADER)
        time = _time(path, number, header)
        in_period = (first is None or time >= first) and (last is None or time <= last)
        place = {
            "station": line[1:12].strip(),
            "time": time,
            "latitude": header["latitude"] / 1e4,
            "longitude": header["longitude"] / 1e4,
        }
        for _ in range(int(header["levels"])):
            number, line = next(numbered, (number + 1, "#"))
            if line.startswith("#"):
                text = f"the header above has {header['levels']:.0f} levels, and fewer follow"
                raise UserError(f"{path}, line {number}: {text}")
            if in_period:
                rows.append(place | _level(_numbers(path, number, line, LEVEL)))
    levels = pd.DataFrame(rows)
    return levels.dropna(subset="level") if rows else levels  # heights alone are no levels


def _lines(path: Path) -> Iterator[str]:
    try:
        if path.suffix == ".zip":
            with ZipFile(path) as archive:
                names = archive.namelist()
                if len(names) != 1:
                    raise UserError(f"{path}: holds {len(names)} files; give a zip of one station")
                with archive.open(names[0]) as file:
                    yield from (line.decode("ascii", "replace") for line in file)
            return
        with open(path, encoding="ascii", errors="replace") as file:
            yield from file
    except (OSError, BadZipFile) as e:
        raise UserError(f"{path}: cannot be read ({e})") from None


def _numbers(path: Path, number: int, line: str, places: dict[str, slice]) -> dict[str, float]:
    """The numbers of a line by name, NaN where one is missing."""
    values = {}
    for name, place in places.items():
        text = line[place].strip()
        try:
            value = float("nan" if not text and name not in ("levels", "year") else int(text))
        except ValueError:
            columns = f"columns {place.start + 1}-{place.stop}"
            text = f"{name} {quoted(line[place])} is no whole number; is it IGRA v2?"
            raise UserError(f"{path}, line {number}, {columns}: {text}") from None
        values[name] = np.nan if value in MISSING else value
    return values


def _time(path: Path, number: int, header: dict[str, float]) -> np.datetime64:
    """The nominal hour, else the time of release; NaT without either."""
    hour, minute = header["hour"], 0
    if hour == NO_HOUR:
        hour, minute = divmod(header["release"], 100)
        if np.isnan(hour) or hour == NO_HOUR:
            return np.datetime64("NaT", "s")
    minute = 0 if minute == NO_HOUR else minute
    date = "-".join(f"{header[n]:0{w}.0f}" for n, w in (("year", 4), ("month", 2), ("day", 2)))
    try:
        return np.datetime64(f"{date}T{hour:02.0f}:{minute:02.0f}", "s")
    except ValueError:
        raise UserError(f"{path}, line {number}: {date} {hour:.0f} h is no time") from None


def _level(numbers: dict[str, float]) -> dict[str, float]:
    """What was reported at a level, in the units of `reports.values`."""
    kelvin = numbers["temperature"] / 10 + 273.15
    return {
        "level": numbers["pressure"] / 100,
        "temperature": kelvin,
        "dewpoint": kelvin - numbers["depression"] / 10,
        "relative_humidity": numbers["humidity"] / 1000,
        "direction": numbers["direction"],
        "speed": numbers["speed"] / 10,
        "geopotential": numbers["height"] * GRAVITY,
    }
