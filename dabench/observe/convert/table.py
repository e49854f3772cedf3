"""Files of reports in, a table of values out, with an account of what was taken and what not."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from dabench.core import files
from dabench.core.errors import UserError
from dabench.observe.convert import bufr, igra, reports
from dabench.scenario.columns import PARQUET
from dabench.scenario.quantities import QUANTITIES
from dabench.scenario.validate import suggest

HEAD = 512  # bytes by which the format of a file is told


class Account(NamedTuple):
    """What became of the reports of some files.

    Arguments:
        taken: Number of values by variable.
        left_out: Number of values by the reason for which they were left out.
        stations: Number of stations.
        first, last: Times of the first and the last value.
    """

    taken: Counter
    left_out: Counter
    stations: int
    first: np.datetime64
    last: np.datetime64

    def lines(self) -> list[str]:
        """The account in words."""
        names = ", ".join(f"{n} {name}" for name, n in self.taken.most_common())
        period = f"{self.first} to {self.last}"
        size = f"{self.taken.total()} values of {self.stations} stations"
        lines = [f"taken     {size}, {period}: {names}"]
        lines += [f"left out  {n} {reason}" for reason, n in self.left_out.most_common()]
        return lines


def convert(
    sources: Sequence[Path],
    out: Path,
    *,
    every_level: bool = False,
    variables: Sequence[str] = (),
    first: np.datetime64 | None = None,
    last: np.datetime64 | None = None,
) -> Account:
    """Write the reports of files as one table, whole or not at all.

    Arguments:
        sources: Station files of IGRA v2 (text or zip), and BUFR.
        out: The table, .csv or .parquet.
        every_level: Keep significant levels of soundings, too, and not the mandatory ones alone.
        variables: Names of the variables to take; none means all.
        first, last: Times that reports lie between, ends included; None: no bound.
    Raises: UserError where a file cannot be read, or nothing is left.
    """
    if out.suffix not in (".csv", *PARQUET):
        raise UserError(f"{out}: is to be a table, which ends in .csv or .parquet")
    if unknown := [name for name in variables if name not in QUANTITIES]:
        raise UserError(f"--variable {unknown[0]}: {suggest(unknown[0], QUANTITIES)}")
    levels = pd.concat([_read(path, first, last) for path in sources], ignore_index=True)
    table, left_out = reports.values(_within(levels, first, last), every_level)
    if variables:
        is_taken = table["variable"].isin(list(variables)).to_numpy(bool)
        left_out["of other variables"] = int((~is_taken).sum())
        table = table.loc[is_taken]
    if table.empty:
        listed = ", ".join(map(str, sources))
        reasons = "; ".join(f"{n} values {why}" for why, n in left_out.items())
        raise UserError(f"{listed}: nothing to take{f' ({reasons})' if reasons else ''}")
    files.replace(out, _content(table, out))
    times = table["time"].to_numpy("datetime64[m]")
    taken, stations = Counter(table["variable"]), table[["station", "latitude", "longitude"]]
    return Account(taken, left_out, len(stations.drop_duplicates()), times.min(), times.max())


def _read(path: Path, first: np.datetime64 | None, last: np.datetime64 | None) -> pd.DataFrame:
    """The levels of the reports of one file."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if bufr.is_bufr(head):
        return bufr.read(path)
    if igra.is_igra(head) or path.suffix == ".zip":
        return igra.read(path, first, last)
    raise UserError(
        f"{path}: is neither BUFR nor a station file of IGRA v2, which begins with # and a station"
    )


def _within(
    levels: pd.DataFrame, first: np.datetime64 | None, last: np.datetime64 | None
) -> pd.DataFrame:
    """The levels between two times; all that have no time, which are counted later."""
    if levels.empty:
        return levels
    time, inside = levels["time"].to_numpy("datetime64[s]"), np.ones(len(levels), bool)
    if first is not None:
        inside &= ~(time < first)
    if last is not None:
        inside &= ~(time > last)
    return levels.loc[inside]


def _content(table: pd.DataFrame, out: Path) -> bytes:
    """The bytes of a table: Parquet with numbers as short as they are, or CSV."""
    columns = ["time", "latitude", "longitude", "level", "variable", "value", "station"]
    table = table.reindex(columns=columns)
    if out.suffix == ".csv":
        text = table.assign(time=table["time"].map(lambda t: t.isoformat()))
        return text.to_csv(index=False, lineterminator="\n").encode()
    buffer = io.BytesIO()
    codes = {name: table[name].astype("category") for name in ("variable", "station")}
    table.assign(**codes).to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()
