"""Tables of real observations: values with time, place, level and error, read and checked whole."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from dabench.core.errors import UserError
from dabench.core.units import conversion
from dabench.scenario import catalogue
from dabench.scenario.columns import SURFACE, Column, read_columns
from dabench.scenario.derived import AT_SURFACE
from dabench.scenario.locations import Measured
from dabench.scenario.quantities import QUANTITIES
from dabench.scenario.validate import quoted, suggest

COLUMNS = {
    "time": ("time", "datetime", "valid_time"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
    "variable": ("variable",),
    "value": ("value",),
    "level": ("level", "pressure"),
    "error": ("error", "error_std"),
    "station": ("station", "station_id"),
    "quality": ("quality",),
    "units": ("units", "unit"),
}
"""Columns with the names that each may have."""
REQUIRED = ("time", "latitude", "longitude", "variable", "value")

GOOD = ("", "0", "good")
DOUBTFUL = ("1", "2", "3", "suspect", "bad")
"""Flags of quality, numbers as in WMO table 0 33 003; what is doubtful is left out."""

HIGHEST_HPA = 1100.0
PLACE_DECIMALS = 5
"""Decimals of a degree, a metre; as two stations nearer to each other are one place."""


@dataclass(frozen=True, eq=False)
class ValueTable:
    """Observations of a table in the order of time, each array (row,).

    Arguments:
        source: File of the table.
        time: Seconds since 1970.
        latitude, longitude: Degrees; longitudes from 0 up to 360.
        level: Pressure in hPa; NaN for variables without one.
        value: In the units of `QUANTITIES`.
        error: Standard deviation of the error in these units; NaN where the table has none.
        variable, station: Names; a station may have none.
        row: Number of each row in the file, for messages.
        word: `line` or `row`, as the file counts.
        doubtful: Number of rows that were left out for their quality.
    """

    source: str
    time: Int[np.ndarray, "row"]
    latitude: Float[np.ndarray, "row"]
    longitude: Float[np.ndarray, "row"]
    level: Float[np.ndarray, "row"]
    value: Float[np.ndarray, "row"]
    error: Float[np.ndarray, "row"]
    variable: np.ndarray
    station: np.ndarray
    row: Int[np.ndarray, "row"]
    word: str
    doubtful: int

    @property
    def variables(self) -> list[str]:
        """The variables in the order of `QUANTITIES`."""
        present = set(self.variable.tolist())
        return [name for name in QUANTITIES if name in present]

    @property
    def digest(self) -> str:
        """The sha256 of the content, whatever file it is in and in whatever order."""
        content = hashlib.sha256()
        for array in (self.time, self.latitude, self.longitude, self.level, self.value, self.error):
            content.update(np.ascontiguousarray(array + 0, array.dtype.newbyteorder("<")).tobytes())
        for names in (self.variable, self.station):
            content.update("\n".join(names.tolist()).encode())
        return content.hexdigest()


def open_table(where: Measured) -> ValueTable:
    """The table that a group of a scenario names.

    Raises: UserError where it is not there, is faulty, or is not the one that the scenario had.
    """
    table = read_table(find(where.values))
    if where.sha256 not in (None, table.digest):
        raise UserError(
            f"{table.source}: has changed; the scenario was read with a table of digest "
            f"{str(where.sha256)[:12]}, and this has {table.digest[:12]}"
        )
    return table


def find(name: str) -> Path:
    """The file of a table by a path, or by its path below a folder of scenarios."""
    places = [Path(name), *(folder / name for folder in catalogue.folders("scenarios"))]
    return next((place for place in places if place.is_file()), places[0])


def name_of(path: Path) -> str:
    """The path below a folder of scenarios, or else the whole path; `find` is the inverse."""
    whole = path.absolute()
    for folder in catalogue.folders("scenarios"):
        if whole.is_relative_to(folder.absolute()):
            return whole.relative_to(folder.absolute()).as_posix()
    return whole.as_posix()


def read_table(path: Path) -> ValueTable:
    """The observations of a CSV or Parquet file.

    Columns are those of `COLUMNS`, of which `REQUIRED` must be there. Units are SI and levels hPa,
    unless a column `units` says otherwise of the values.

    Raises: UserError for the first fault, with file, row, column, what is there and what would
        work.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    state = path.stat()
    return _read_table(path, state.st_mtime_ns, state.st_size)


@lru_cache(8)
def _read_table(path: Path, *_: int) -> ValueTable:
    columns = read_columns(path, COLUMNS, REQUIRED)
    time = columns["time"].seconds()
    latitude = _degrees(columns["latitude"], 90)
    longitude = _degrees(columns["longitude"], 360) % 360 % 360
    variable = _variables(columns["variable"])
    level = _levels(columns, variable)
    value, error = _values(columns, variable, level)
    station = _stations(columns.get("station"), len(time))
    good = _good(columns.get("quality"), len(time))
    order = np.lexsort((station, longitude, latitude, -np.nan_to_num(level), variable, time))
    order = order[good[order]]
    table = ValueTable(
        source=str(path),
        time=time[order],
        latitude=latitude[order],
        longitude=longitude[order],
        level=level[order],
        value=value[order],
        error=error[order],
        variable=variable[order],
        station=station[order],
        row=np.array(columns["time"].rows)[order],
        word=columns["time"].word,
        doubtful=int((~good).sum()),
    )
    if not len(order):
        raise UserError(f"{path}: has no observation of good quality, which is {_listed(GOOD)}")
    _require_different(table)
    return table


def _degrees(column: Column, bound: int) -> Float[np.ndarray, "row"]:
    values = column.numbers()
    text = f"is not a number between -{bound} and {bound}"
    column.require(np.abs(values) <= bound, lambda i: f"{_cell(column, i)} {text}")
    return values


def _variables(column: Column) -> np.ndarray:
    names = column.texts()
    for row, name in enumerate(names):
        if name not in QUANTITIES:
            column.fault(row, f"no variable is {quoted(name)}; {suggest(name, QUANTITIES)}")
    return np.array(names)


def _levels(columns: Mapping[str, Column], variable: np.ndarray) -> Float[np.ndarray, "row"]:
    """Pressures in hPa: there is one for variables that have levels, and none for the others."""
    has_level = np.isin(variable, [n for n, q in QUANTITIES.items() if q.has_level])
    if "level" not in columns:
        columns["variable"].require(
            ~has_level, lambda i: f"{variable[i]} needs a column level, pressures in hPa"
        )
        return np.full(len(variable), np.nan)
    column = columns["level"]
    levels = column.numbers(blank=("", SURFACE))
    missing = np.isnan(levels)

    def on_ground(row: int) -> str:
        other = AT_SURFACE.get(str(variable[row]))
        hint = f"; at the ground it is {other}" if other else ""
        return f"is empty, and {variable[row]} has a pressure in hPa{hint}"

    column.require(~(missing & has_level), on_ground)
    column.require(
        missing | has_level, lambda i: f"{variable[i]} has no level; leave {_cell(column, i)} out"
    )
    in_range = missing | ((levels >= 0.001) & (levels <= HIGHEST_HPA))
    column.require(in_range, lambda i: f"{_cell(column, i)} is no pressure in hPa, .001 to 1100")
    return levels


def _values(
    columns: Mapping[str, Column], variable: np.ndarray, level: Float[np.ndarray, "row"]
) -> tuple[Float[np.ndarray, "row"], Float[np.ndarray, "row"]]:
    """Values and standard deviations of their errors, in the units of `QUANTITIES`."""
    column = columns["value"]
    value = column.numbers()
    column.require(~np.isnan(value), lambda _: "is no number; leave out rows without a value")
    scale, offset = _conversions(columns.get("units"), variable)
    value = value * scale + offset
    for name in dict.fromkeys(variable.tolist()):
        quantity = QUANTITIES[name]
        possible = (variable != name) | quantity.possible(value, level)
        column.require(possible, lambda i, n=name: f"{_cell(column, i)} {_impossible(n)}")
    return value, _errors(columns.get("error"), scale)


def _impossible(name: str) -> str:
    quantity = QUANTITIES[name]
    return (
        f"cannot be {name} in {quantity.units}, which is {quantity.low:g} to {quantity.high:g}; "
        f"convert it, or add a column units that says what it is in"
    )


def _conversions(
    column: Column | None, variable: np.ndarray
) -> tuple[Float[np.ndarray, "row"], Float[np.ndarray, "row"]]:
    """Scale and offset of every row to the units of `QUANTITIES`."""
    scale, offset = np.ones(len(variable)), np.zeros(len(variable))
    if column is None:
        return scale, offset
    units = np.array(column.texts())
    for name, theirs in dict.fromkeys(zip(variable.tolist(), units.tolist(), strict=True)):
        ours = QUANTITIES[name].units
        how = conversion(theirs or ours, ours)
        rows = (variable == name) & (units == theirs)
        if how is None:
            row = int(np.argmax(rows))
            column.fault(row, f"{quoted(theirs)} of {name} cannot be made {ours}; give {ours}")
        scale[rows], offset[rows] = how
    return scale, offset


def _errors(column: Column | None, scale: np.ndarray) -> Float[np.ndarray, "row"]:
    if column is None:
        return np.full(len(scale), np.nan)
    errors = column.numbers() * scale
    sound = np.isnan(errors) | ((errors >= 1e-9) & (errors <= 1e9))
    column.require(
        sound, lambda i: f"{_cell(column, i)} is no standard deviation, which is above 0"
    )
    return errors


def _stations(column: Column | None, count: int) -> np.ndarray:
    """Names of stations; numbers are names, too."""
    if column is None:
        return np.full(count, "")
    if isinstance(column.cells, np.ndarray):
        return np.array(["" if np.isnan(n) else f"{n:.17g}" for n in column.numbers()])
    return np.array(column.texts())


def _good(column: Column | None, count: int) -> Bool[np.ndarray, "row"]:
    """Whether the flag of each row says that it is good."""
    if column is None:
        return np.ones(count, bool)
    flags = _stations(column, count)
    flags = np.array([flag.lower() for flag in flags.tolist()])
    valid = np.isin(flags, (*GOOD, *DOUBTFUL))
    text = f"is no flag of quality; {_listed(GOOD)} is good, {_listed(DOUBTFUL)} is left out"
    column.require(valid, lambda i: f"{quoted(str(flags[i]))} {text}")
    return np.isin(flags, GOOD)


def _require_different(table: ValueTable) -> None:
    """UserError where two rows are of one variable, station, place, level and time."""
    texts = [np.unique(names, return_inverse=True)[1] for names in (table.variable, table.station)]
    places = [np.round(c, PLACE_DECIMALS) for c in (table.latitude, table.longitude)]
    keys = np.stack([table.time, *texts, *places, np.nan_to_num(table.level)]).astype(float)
    order = np.lexsort(keys)
    same = (np.diff(keys[:, order], axis=1) == 0).all(0)
    if same.any():
        first = int(np.argmax(same))
        one, other = sorted(table.row[order[[first, first + 1]]].tolist())
        raise UserError(
            f"{table.source}, {table.word} {other}: repeats {table.word} {one} (variable, time, "
            "place, level and station are the same); keep one of them"
        )


def _cell(column: Column, row: int) -> str:
    cell = column.cells[row]
    return quoted(cell.strip()) if isinstance(cell, str) else f"{cell}"


def _listed(flags: Sequence[str]) -> str:
    return ", ".join(flag or "an empty cell" for flag in flags)
