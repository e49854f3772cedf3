"""Columns of a table of observations, from CSV or Parquet, whose faults name row and column."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Bool, Float, Int

from dabench.core.errors import UserError
from dabench.scenario.locations import MAX_CSV_BYTES, delimiter
from dabench.scenario.validate import quoted
from dabench.scenario.yamlfile import read_text

MOST_ROWS = 5_000_000
"""Rows of a table: a month of all radiosondes and surface stations; some 400 MB."""
YEARS = range(1700, 2200)
PARQUET = (".parquet", ".pq")
SURFACE = "surface"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Arguments:
        source: File of the table.
        name: Name of the column.
        cells: Texts of a CSV file, or values of a Parquet file: float64, datetime64[s], or texts.
        rows: Number of each row for messages: of a line, or of a row.
        word: `line` or `row`.
    """

    source: str
    name: str
    cells: Sequence[Any] | np.ndarray
    rows: Sequence[int]
    word: str

    def fault(self, row: int, text: str) -> NoReturn:
        """UserError on one cell."""
        raise UserError(f"{self.source}, {self.word} {self.rows[row]}, column {self.name}: {text}")

    def require(self, sound: Bool[np.ndarray, "row"], text: Callable[[int], str]) -> None:
        """UserError with a text on the first row that is not sound, if there is one."""
        if not sound.all():
            row = int(np.argmin(sound))
            self.fault(row, text(row))

    def texts(self) -> list[str]:
        """The cells as texts without blanks around them; numbers are refused."""
        if isinstance(self.cells, np.ndarray):
            self.fault(0, f"holds {self.cells.dtype} and should hold text")
        return [str(cell or "").strip() for cell in self.cells]

    def numbers(self, blank: Sequence[str] = ("",)) -> Float[np.ndarray, "row"]:
        """The cells as finite numbers, NaN where one is blank.

        Arguments:
            blank: Texts that stand for no number.
        """
        if isinstance(self.cells, np.ndarray):
            if self.cells.dtype.kind == "M":
                self.fault(0, "holds times and should hold numbers")
            values = self.cells
            self.require(~np.isinf(values), lambda i: f"{values[i]} is not a finite number")
            return values
        texts = self.texts()
        values = np.array([_number(t, blank) for t in texts])
        self.require(~np.isinf(values), lambda i: f"{quoted(texts[i])} is not a finite number")
        return values

    def seconds(self) -> Int[np.ndarray, "row"]:
        """The cells as times in seconds since 1970; a time is UTC unless it says otherwise."""
        if isinstance(self.cells, np.ndarray):
            if self.cells.dtype.kind != "M":
                self.fault(0, f"holds numbers, not times; {_TIMES}")
            self.require(~np.isnat(self.cells), lambda i: f"is empty; {_TIMES}")
            seconds = self.cells.astype("datetime64[s]").astype(np.int64)
            year = self.cells.astype("datetime64[Y]").astype(np.int64) + 1970
            sound = (year >= YEARS[0]) & (year <= YEARS[-1])
            self.require(sound, lambda i: f"{self.cells[i]} is outside of {_IN_YEARS}")
            return seconds
        texts = self.texts()
        known_seconds = {text: _second(text) for text in dict.fromkeys(texts)}
        for row, text in enumerate(texts):
            if known_seconds[text] is None:
                self.fault(row, f"{quoted(text)} is not an ISO time within {_IN_YEARS}; {_TIMES}")
        return np.array([known_seconds[text] for text in texts], np.int64)


_TIMES = "write 2008-12-08T12:00, in UTC"
_IN_YEARS = f"the years {YEARS[0]} to {YEARS[-1]}"


def _number(text: str, blank: Sequence[str]) -> float:
    """The number in a text, NaN where it is blank, infinite where it is no finite number."""
    if text in blank:
        return math.nan
    try:
        value = math.inf if "_" in text else float(text)  # Python reads 5_0 as 50
    except ValueError:
        return math.inf
    return math.inf if math.isnan(value) else value


def _second(text: str) -> int | None:
    """Seconds since 1970 of an ISO time; None where it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    if time.year not in YEARS:
        return None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def instant(text: str, option: str) -> np.datetime64:
    """The time in a text, in UTC unless it says otherwise; UserError that names the option."""
    second = _second(text)
    if second is None:
        raise UserError(f"{option} {text}: is not an ISO time within {_IN_YEARS}; {_TIMES}")
    return np.datetime64(second, "s")


def read_columns(
    path: Path, names: Mapping[str, Sequence[str]], required: Sequence[str]
) -> dict[str, Column]:
    """The columns of a CSV or Parquet file; others than these are passed over.

    Arguments:
        path: The file; Parquet by its ending.
        names: By name of a column, the names that it may have, in small letters.
        required: Names of columns that must be there.
    Raises: UserError where the file cannot be read, or columns are missing, there twice or
        misspelt.
    """
    header, cells, rows, word = (_parquet if path.suffix in PARQUET else _csv)(path)
    if not rows:
        raise UserError(f"{path}: has no observations")
    columns = {}
    for name, its_names in names.items():
        places = [i for i, title in enumerate(header) if title in its_names]
        if len(places) > 1:
            raise UserError(f"{path}: has {len(places)} columns of the {name}: {', '.join(header)}")
        if places:
            columns[name] = Column(str(path), name, cells[places[0]], rows, word)
    _check_header(path, header, names, [name for name in required if name not in columns])
    return columns


def _check_header(
    path: Path, header: list[str], names: Mapping[str, Sequence[str]], missing: list[str]
) -> None:
    """UserError for missing columns, and for one that is probably meant for another."""
    valid = [one for its_names in names.values() for one in its_names]
    titles = ", ".join(header)[:80]
    if missing:
        raise UserError(f"{path}: has no column {missing[0]}; it has {titles}")
    for title in header:
        close = get_close_matches(title, valid, 1, 0.8)
        if title not in valid and close:
            text = f"has a column {title!r}; did you mean {close[0]!r}? Else give it another name"
            raise UserError(f"{path}: {text}")


def _csv(path: Path) -> tuple[list[str], list[Any], Sequence[int], str]:
    """Header in small letters, cells by column, number of each line."""
    text = read_text(path, MAX_CSV_BYTES)
    try:
        lines = io.StringIO(text, newline="")
        reader = csv.reader(lines, delimiter=delimiter(text), skipinitialspace=True)
        header = [name.strip().lower() for name in next(reader, [])]
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as e:
        raise UserError(f"{path}: is not CSV ({e})") from None
    for line, row in rows:
        if len(row) != len(header):
            text = f"has {len(row)} cells, and the header has {len(header)}"
            raise UserError(f"{path}, line {line}: {text}")
    cells = list(zip(*(row for _, row in rows), strict=True))
    return header, cells, [line for line, _ in rows], "line"


def _parquet(path: Path) -> tuple[list[str], list[Any], Sequence[int], str]:
    """Header in small letters, values by column, number of each row from 1 on."""
    import pyarrow
    import pyarrow.parquet

    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    try:
        count = pyarrow.parquet.read_metadata(path).num_rows
        if count > MOST_ROWS:
            raise UserError(f"{path}: has {count} rows; at most {MOST_ROWS} can be held")
        table = pyarrow.parquet.read_table(path)
        header = [name.strip().lower() for name in table.column_names]
        cells = [_values(table.column(i)) for i in range(len(header))]
    except (OSError, ValueError, pyarrow.ArrowException) as e:
        raise UserError(f"{path}: is not Parquet ({str(e).splitlines()[0]})") from None
    return header, cells, range(1, count + 1), "row"


def _values(column: Any) -> Any:
    """The values of an Arrow column: numbers, times, or texts."""
    import pyarrow

    kinds = pyarrow.types
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kinds.is_timestamp(column.type):
        return column.cast(pyarrow.timestamp("us")).to_numpy().astype("datetime64[s]")
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        return column.cast(pyarrow.float64()).to_numpy()
    if kinds.is_null(column.type):
        return [""] * len(column)
    return [None if text is None else str(text) for text in column.to_pylist()]
