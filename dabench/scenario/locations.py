"""Locations of a group of observations: the ways to give them, and stations from CSV files."""

import csv
import io
import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from dabench.core.errors import UserError
from dabench.scenario.validate import Extended, Strict, quoted
from dabench.scenario.yamlfile import dotted, read_text

Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-360, le=360)]
Site = Annotated[int, Field(ge=0, lt=10_000_000)]
Factor = Annotated[float, Field(ge=0.01, le=100)]
Height = Annotated[float, Field(ge=-500, le=9000)]
"""Metres above the sea: from below the Dead Sea to above Mount Everest."""

MAX_CSV_BYTES = 50_000_000
MOST_PLACES = 2_000_000
"""Places of a group: twice the points of a grid of a quarter of a degree, some 170 MB."""
Places = Annotated[int, Field(ge=1, le=MOST_PLACES)]
MAX_CYCLE = 10_000
"""Last cycle of a table of moving stations, which has a mask of all of them for every cycle."""
COLUMNS = {"latitude": (("latitude", "lat"), 90), "longitude": (("longitude", "lon"), 360)}
"""Columns of a CSV file: the names that each may have, and its largest absolute value."""
CYCLE, FACTOR, HEIGHT = "cycle", "error_factor", "height"
"""Columns of a CSV file: the cycle in which a station is there; a factor on its error_std; and its
height in m, which may be blank."""


class Misfit(UserError):
    """Raised for a scenario that is sound in itself but does not fit its system.

    Arguments:
        path: Path of the entry that does not fit.
        problem: Text on what is wrong.
    """

    def __init__(self, path: tuple[str | int, ...], problem: str):
        super().__init__(f"{dotted(path)}: {problem}")
        self.path, self.problem = path, problem


class Grid(Strict):
    """A regular grid, from the south pole and longitude 0 on.

    Arguments:
        grid: Spacing in degrees, in latitude and in longitude.
    """

    grid: Annotated[float, Field(ge=0.001, le=90)]

    @field_validator("grid")
    @classmethod
    def _has_not_too_many_places(cls, grid: float) -> float:
        rows, columns = int(180 / grid) + 1, int(360 / grid)
        if rows * columns > MOST_PLACES:
            raise ValueError(
                f"{grid:g} makes {rows * columns} places ({rows} x {columns}); at most "
                f"{MOST_PLACES} can be held: use 0.2 or more"
            )
        return grid


class Every(Strict):
    """Part of the system's own grid.

    Arguments:
        every: Every n-th point in latitude and in longitude, or every n-th site.
    """

    every: Count


class Blocks(Strict):
    """Means over blocks of the system's own grid, as a coarser instrument sees it.

    Blocks begin in the south and at the first longitude. Where they do not divide the grid, the
    first and the last are smaller, the first not less so; a mean is over the points that exist.

    Arguments:
        blocks: Points of a block in latitude and in longitude.
    """

    blocks: Count


class Random(Strict):
    """Stations spread uniformly over the sphere, or different sites of a toy system.

    Arguments:
        random: Number of stations or sites.
        seed: Seed of the places; not that of the experiment.
    """

    random: Places
    seed: Seed = 0


class Land(Strict):
    """Points of the system's grid on land, as dense everywhere by area.

    Arguments:
        land: Number of points.
        seed: Seed of the places; not that of the experiment.
    """

    land: Places
    seed: Seed = 0


class Sea(Strict):
    """Points of the system's grid at sea, as dense everywhere by area: ships and buoys.

    Arguments:
        sea: Number of points.
        seed: Seed of the places; not that of the experiment.
    """

    sea: Places
    seed: Seed = 0


class Satellites(Extended):
    """Points of the system's grid beneath satellites, as a sounder that scans across its track.

    Orbits are circles, below which the Earth turns once a day. Observed are the points within half
    a swath of the ground track of some hours: the same hours in every cycle, or those that follow.

    Arguments:
        satellites: Number of satellites; the planes of their orbits are spread evenly over half a
            turn of longitude, beyond which they would repeat. A weather service has some ten.
        swath: Width of the scan on the ground in km. Below 20 the track, one place a second, would
            have gaps; at 20 000, half way round the Earth, nothing is out of sight.
        hours: Hours that are observed, from the ascending node on; up to a day.
        inclination: Angle between orbit and equator in degrees, beyond 90 against the Earth's turn.
        period: Minutes an orbit takes: 84.5 at least, those of a stone at the ground, and a day at
            most, those of a satellite that stays where it is.
        node: Longitude of the first satellite's ascending node when the hours begin, in degrees.
        cycles: Number of cycles whose hours follow each other before the first ones come again; 4
            of 6 hours are a day. At most 100, long before which the Earth has been seen whole.
    """

    LATER: ClassVar[tuple[str, ...]] = ("cycles",)

    satellites: Annotated[int, Field(ge=1, le=20)]
    swath: Annotated[float, Field(ge=20, le=20_000)]
    hours: Annotated[float, Field(gt=0, le=24)]
    inclination: Annotated[float, Field(ge=0, le=180)] = 98.7
    period: Annotated[float, Field(ge=84.5, le=1440)] = 101.4
    node: Longitude = 0.0
    cycles: Annotated[int, Field(ge=1, le=100)] = 1


class Points(Extended):
    """Stations one by one.

    Arguments:
        points: [latitude, longitude] pairs in degrees, or sites.
        cycles: The cycle in which each of them is there, from 1 on; after the last of these cycles
            they begin anew. None: all are there in all cycles.
        factors: Factor on the group's standard deviation of the error for each of them.
        heights: Height above the sea in m of each of them; null where it is not known.
    """

    LATER: ClassVar[tuple[str, ...]] = ("cycles", "factors", "heights")

    points: Annotated[
        tuple[tuple[Latitude, Longitude] | Site, ...], Field(min_length=1, max_length=MOST_PLACES)
    ]
    cycles: tuple[Annotated[int, Field(ge=1, le=MAX_CYCLE)], ...] | None = None

    factors: tuple[Factor, ...] | None = None
    heights: tuple[Height | None, ...] | None = None

    @model_validator(mode="after")
    def _has_one_for_each(self) -> "Points":
        for name in self.LATER:
            numbers = getattr(self, name)
            if numbers is not None and len(numbers) != len(self.points):
                text = f"{len(numbers)} {name} are given for {len(self.points)} points"
                raise ValueError(text)
        return self


class Reports(Strict):
    """Stations of a real network, each with what it reported on one day, from this package.

    Only the places and what was reported are real: values are simulated, as everywhere.

    Arguments:
        reports: `radiosondes`: 417 stations and the mandatory levels of temperature, humidity,
            wind and geopotential that each reported at 2008-12-08 12 UTC. `synop`: 7804 stations on
            land, with 2 m temperature, 10 m wind and pressure, at 2018-11-02 12 UTC.
    """

    reports: Literal["radiosondes", "synop"]


class File(Strict):
    """Stations from a file; when a scenario is read it becomes Points.

    Arguments:
        file: CSV with columns latitude (or lat) and longitude (or lon), beside the scenario; and
            cycle, if it has one, in which each row is there; error_factor, and height, of each row.
    """

    file: str


class Measured(Strict):
    """Observations from a table of real values: where and when, and what was measured.

    Arguments:
        values: CSV or Parquet beside the scenario, with columns time, latitude, longitude,
            variable, value, and level, error, station, quality and units where there are any.
        window: Hours before and after a cycle within which observations count for it; null: half
            the time between cycles. Of several of one station and field the nearest in time does.
        sha256: Digest of the content of the table, which must be this; written when the scenario
            is read.
    """

    values: str
    window: Annotated[float, Field(gt=0, le=240)] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class Withhold(Strict):
    """Stations whose observations no method is given; every method is verified against them.

    Arguments:
        share: Share of the group's stations: the same ones in every cycle, at every level; 1 for
            all.
        seed: Seed of the choice; not that of the experiment.
    """

    share: Annotated[float, Field(gt=0, le=1)]
    seed: Seed = 0


KINDS = (
    "grid",
    "every",
    "blocks",
    "random",
    "land",
    "sea",
    "satellites",
    "reports",
    "points",
    "file",
    "values",
)
"""The key that each way to give locations is told by."""


def _kind(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else vars(value) if isinstance(value, Strict) else ()
    return next((f"<{k}>" for k in KINDS if k in keys), None)


Locations = Annotated[
    Annotated[Grid, Tag("<grid>")]
    | Annotated[Every, Tag("<every>")]
    | Annotated[Blocks, Tag("<blocks>")]
    | Annotated[Random, Tag("<random>")]
    | Annotated[Land, Tag("<land>")]
    | Annotated[Sea, Tag("<sea>")]
    | Annotated[Satellites, Tag("<satellites>")]
    | Annotated[Reports, Tag("<reports>")]
    | Annotated[Points, Tag("<points>")]
    | Annotated[File, Tag("<file>")]
    | Annotated[Measured, Tag("<values>")],
    Discriminator(_kind),
]


class StationTable(NamedTuple):
    """Stations of a CSV file.

    Arguments:
        points: [latitude, longitude] of every row.
        cycles: The cycle of every row; None where there is no such column.
        factors: The factor on the error of every row; None where there is no such column.
        heights: The height of every row, None where it is blank; None where there is no such
            column.
    """

    points: list[list[float]]
    cycles: list[int] | None
    factors: list[float] | None
    heights: list[float | None] | None


def read_stations(path: Path) -> StationTable:
    """The stations of a CSV file; UserError naming the first bad line."""
    text = read_text(path, MAX_CSV_BYTES)
    try:
        lines = io.StringIO(text, newline="")  # a name may hold what else ends a line for Python
        rows = csv.reader(lines, delimiter=delimiter(text), skipinitialspace=True)
        header = [name.strip().lower() for name in next(rows, [])]
        columns = [_column(path, header, name) for name in COLUMNS]
        filled = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as e:
        raise UserError(f"{path}: is not CSV ({e})") from None
    if not filled:
        raise UserError(f"{path}: has no stations")
    if len(filled) > MOST_PLACES:
        raise UserError(f"{path}: has {len(filled)} stations; at most {MOST_PLACES} can be held")
    points = [
        [_degrees(path, line, row, i, COLUMNS[name][1]) for i, name in columns]
        for line, row in filled
    ]
    return StationTable(
        points, *(_optional(path, header, filled, name) for name in (CYCLE, FACTOR, HEIGHT))
    )


def _optional(path: Path, header: list[str], filled: list, name: str) -> list | None:
    """The cells of a column that a file may have."""
    read = {CYCLE: _cycle, FACTOR: _factor, HEIGHT: _height}[name]
    if name not in header:
        return None
    return [read(path, line, row, header.index(name)) for line, row in filled]


def delimiter(text: str) -> str:
    """The separator of a table: the semicolon where the header has it and no comma."""
    header = text.split("\n", 1)[0]
    return ";" if ";" in header and "," not in header else ","


def _column(path: Path, header: list[str], name: str) -> tuple[int, str]:
    """Index and name of a column; UserError if the header has none of its names."""
    places = [i for i, title in enumerate(header) if title in COLUMNS[name][0]]
    titles = ", ".join(header)[:80]
    if len(places) > 1:
        raise UserError(f"{path}, line 1: has {len(places)} columns of the {name}: {titles}")
    if places:
        return places[0], name
    raise UserError(f"{path}, line 1: has no column {name} (or {name[:3]}); it has {titles}")


def _degrees(path: Path, line: int, row: list[str], column: int, largest: float) -> float:
    cell = row[column].strip() if column < len(row) else ""
    try:
        value = math.nan if "_" in cell else float(cell)  # Python reads 5_0 as 50
    except ValueError:
        value = math.nan
    if not abs(value) <= largest:
        raise UserError(
            f"{path}, line {line}: {quoted(cell)} is not a number between -{largest} and {largest}"
        )
    return value


def _cycle(path: Path, line: int, row: list[str], column: int) -> int:
    cell = row[column].strip() if column < len(row) else ""
    if not (cell.isascii() and cell.isdigit() and 1 <= int(cell[:9]) <= MAX_CYCLE):
        raise UserError(
            f"{path}, line {line}: cycle {quoted(cell)} is not a whole number from 1 to {MAX_CYCLE}"
        )
    return int(cell)


def _factor(path: Path, line: int, row: list[str], column: int) -> float:
    value = _number(path, line, row, column, FACTOR, (0.01, 100))
    if value is None:
        raise UserError(f"{path}, line {line}: has no {FACTOR}, a number from 0.01 to 100")
    return value


def _height(path: Path, line: int, row: list[str], column: int) -> float | None:
    return _number(path, line, row, column, HEIGHT, (-500, 9000))


def _number(
    path: Path, line: int, row: list[str], column: int, name: str, limits: tuple[float, float]
) -> float | None:
    """The number in a cell, None where it is blank."""
    cell = row[column].strip() if column < len(row) else ""
    if not cell:
        return None
    try:
        value = math.nan if "_" in cell else float(cell)
    except ValueError:
        value = math.nan
    low, high = limits
    if not low <= value <= high:
        text = f"{name} {quoted(cell)} is not a number from {low:g} to {high:g}"
        raise UserError(f"{path}, line {line}: {text}")
    return value
