"""Derive the network tables of this folder from reports in BUFR.

    python derive.py temp.bufr perf_synop.bufr

Both files are test data of pdbufr (https://github.com/ecmwf/pdbufr, Apache 2.0): the radiosonde
ascents of 2008-12-08 12 UTC and the SYNOP reports of 2018-11-02 12 UTC. Needs pdbufr (extra
`obs`). A table keeps where each station is and what it reported, never a value that was measured.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pdbufr  # pyright: ignore[reportMissingImports]

MANDATORY = (1000, 925, 850, 700, 500, 400, 300, 250, 200, 150, 100, 70, 50, 30, 20, 10)
"""Mandatory levels of a radiosonde ascent in hPa."""

UPPER_AIR = {
    "T": ("airTemperature",),
    "Q": ("airTemperature", "dewpointTemperature"),
    "W": ("windSpeed", "windDirection"),
    "Z": ("nonCoordinateGeopotential",),
}
SURFACE = {
    "T": ("airTemperatureAt2M",),
    "W": ("windSpeedAt10M", "windDirectionAt10M"),
    "M": ("pressureReducedToMeanSeaLevel",),
    "P": ("nonCoordinatePressure",),
}
"""Letter of a table: the elements that a report must have for it."""

HEIGHT = "heightOfStation"


def main(sondes: str, synop: str) -> None:
    """Write both tables beside this file."""
    here = Path(__file__).parent
    write(here / "radiosondes.csv", radiosondes(sondes))
    write(here / "synop.csv", surface_stations(synop))


def radiosondes(path: str) -> pd.DataFrame:
    """One row a station, one column a mandatory level: letters of what was reported there."""
    reports = read(path, ("pressure", *elements(UPPER_AIR)))
    reports["column"] = (reports["pressure"] / 100).round(2)
    return letters(reports.loc[reports["column"].isin(MANDATORY)], UPPER_AIR, MANDATORY)


def surface_stations(path: str) -> pd.DataFrame:
    """One row a station, one column: letters of what it reported at any hour of the day."""
    reports = read(path, (*elements(SURFACE),))
    return letters(reports.assign(column="surface"), SURFACE, ("surface",))


def read(path: str, columns: Sequence[str]) -> pd.DataFrame:
    """Reports with a position; missing elements are NaN."""
    place = ("latitude", "longitude")
    names = (*place, HEIGHT, *columns)
    reports = pdbufr.read_bufr(path, columns=names, required_columns=place)
    reports = reports.reindex(columns=list(names)).dropna(subset=list(place))
    reports["longitude"] %= 360
    height = reports.groupby(list(place))[HEIGHT].transform("median").round()
    return reports.assign(height=height.astype("Int64"))


def elements(letter_elements: dict[str, tuple[str, ...]]) -> list[str]:
    """The BUFR elements of all letters, each once."""
    return sorted({name for names in letter_elements.values() for name in names})


def letters(
    reports: pd.DataFrame, meaning: dict[str, tuple[str, ...]], columns: Sequence[object]
) -> pd.DataFrame:
    """The table: a row a place that reported anything, sorted from south to north."""
    place = ["latitude", "longitude", "height"]
    flags = pd.DataFrame(
        {letter: reports[list(names)].notna().all(axis=1) for letter, names in meaning.items()}
    )
    flags = flags.assign(**{c: reports[c] for c in (*place, "column")})
    reported = flags.groupby([*place, "column"], dropna=False).any()
    text = reported.apply(lambda row: "".join(row.index[row]), axis=1)
    table = pd.DataFrame(text.unstack("column", fill_value=""))
    table = table.reindex(columns=list(columns), fill_value="")
    return table[(table != "").any(axis=1)].reset_index()


def write(path: Path, table: pd.DataFrame) -> None:
    """Write a table with two digits of a degree."""
    table.to_csv(path, index=False, float_format="%.2f", lineterminator="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
