"""Three hundred stores and station tables, made by chance: the right numbers, or a refusal."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr
from test_foreign import EXPECTED, HOURS, START, fields, store, values

from dabench.core.errors import UserError
from dabench.runs.exchange import foreign
from dabench.scenario.locations import read_stations

STORES = TABLES = 300
ON_DISK = 6  # every sixth store is written, and read again
Rng = np.random.Generator
Alter = Callable[[Rng, xr.Dataset], xr.Dataset]


def renamed(*names: str) -> Alter:
    """Another usual name of the first one."""

    def alter(rng, data):
        return data.rename({names[0]: str(rng.choice(names))})

    return alter


def with_coordinate(name: str, change: Callable, **attrs: str) -> Alter:
    def alter(rng, data):
        return data.assign_coords({name: (name, change(data[name].values), attrs)})

    return alter


def in_units(units: str | None, scale: float = 1.0, shift: float = 0.0) -> Alter:
    """The temperature in other units; `scale` and `shift` make them of K."""

    def alter(rng, data):
        attrs = {} if units is None else {"units": units}
        return data.assign(temperature=(data["temperature"] * scale + shift).assign_attrs(attrs))

    return alter


def shuffled(dim: str) -> Alter:
    return lambda rng, data: data.isel({dim: rng.permutation(data.sizes[dim])})


def rolled(rng, data):
    return data.roll(longitude=int(rng.integers(8)), roll_coords=True)


def with_cyclic_column(rng, data):
    again = data.isel(longitude=[0])
    return xr.concat([data, again.assign_coords(longitude=again["longitude"] + 360)], "longitude")


def with_other_variable(rng, data):
    other = data["temperature"].isel(level=0, drop=True)
    return data.assign(salinity=other.assign_attrs(units="PSU"), level_of_ice=other)


def same(rng, data):
    return data


CHOICES: tuple[tuple[Alter, ...], ...] = (
    (same, lambda rng, d: d.isel(prediction_timedelta=0, drop=True),
     lambda rng, d: d.isel(prediction_timedelta=0),
     shuffled("prediction_timedelta"),
     lambda rng, d: d.assign_coords(prediction_timedelta=[0, 12]),
     lambda rng, d: d.assign_coords(
         prediction_timedelta=("prediction_timedelta", [0, 720], {"units": "minutes"}))),
    (same, with_coordinate("level", lambda x: x * 100.0, units="Pa"),
     with_coordinate("level", lambda x: x * 100), with_coordinate("level", lambda x: x.astype(str)),
     with_coordinate("level", lambda x: x + 1e-5, units="millibars"),
     with_coordinate("level", lambda x: x.astype("float32"), units="hPa")),
    (same, in_units("degC", shift=-273.15), in_units("kelvin"), in_units(None),
     in_units("celsius", shift=-273.15)),
    (same, rolled, with_cyclic_column, shuffled("longitude"),
     with_coordinate("longitude", lambda x: (x + 180) % 360 - 180),
     with_coordinate("longitude", lambda x: (x - 1e-9).astype("float64")),
     with_coordinate("longitude", lambda x: x.astype("float32"))),
    (same, shuffled("latitude"), with_coordinate("latitude", lambda x: x.astype("float32"))),
    (same, shuffled("time"), with_coordinate("time", lambda x: x.astype("M8[s]"))),
    (same, shuffled("level")),
    (same, with_other_variable, lambda rng, d: d.expand_dims("batch")),
)  # fmt: skip
"""Ways to write the same analyses, of which each store has one a row."""

NAMES = (
    ("time", "time", "valid_time", "datetime"),
    ("realization", "number", "member", "ensemble", "ens", "ensemble_member", "sample"),
    ("level", "pressure_level", "plev", "isobaricInhPa"),
    ("latitude", "lat"),
    ("longitude", "lon"),
)

WRONG: tuple[tuple[Alter, str], ...] = (
    (lambda rng, d: xr.concat([d, d], "time"), "time: .* is there 2 times; leave one"),
    (lambda rng, d: d.assign_coords(time=[0, 12]), "time: int64, not dates"),
    (lambda rng, d: d.expand_dims(number=[0, 1]), "number and .* both could be the member"),
    (lambda rng, d: d.isel(realization=slice(0)), "has no members"),
    (lambda rng, d: d.expand_dims(tile=2), r"the dimension tile \(2\), whose meaning"),
    (with_coordinate("level", lambda x: x, units="eta"), "level: .*'eta' are not known; hPa"),
    (with_coordinate("level", lambda x: x * 0 + 500), "level: .*one of them twice"),
    (lambda rng, d: d.drop_vars("level"), "level: 2 levels without a coordinate"),
    (in_units("Pa"), "temperature: is in Pa, and K is needed"),
    (in_units("g kg-1"), "temperature: is in g kg-1, and K is needed"),
    (lambda rng, d: d.assign_coords(prediction_timedelta=HOURS + HOURS[1]), "no lead 0 h"),
    (lambda rng, d: d.assign_coords(prediction_timedelta=[0.5, 1.0]), "no lead 0 h.*0.5, 1.0"),
    (lambda rng, d: d.isel(latitude=slice(2, None)), "latitude is not that of the scenario: 5"),
    (lambda rng, d: d.isel(longitude=slice(3)), "longitude is not that of the scenario: 3"),
    (with_coordinate("longitude", lambda x: x + 7.0), "longitude is not that of the scenario: 8"),
    (with_coordinate("longitude", lambda x: x // 90 * 90), "longitude: 4 columns are there twice"),
    (lambda rng, d: d.isel(longitude=0), "longitude: is no axis of values"),
    (lambda rng, d: d.rename(temperature="t"), "none of the scenario's variables; it has t"),
    (lambda rng, d: d.assign(temperature=d["temperature"].isel(time=0, drop=True)),
     "temperature: does not depend on time"),
    (lambda rng, d: d.assign(temperature=d["temperature"].astype(str)), "temperature: holds"),
)  # fmt: skip
"""What no store may be, and what is said of it."""


class Case(NamedTuple):
    """A store, the values that it stands for, and what is wrong with it, if anything is."""

    data: xr.Dataset
    expected: np.ndarray
    wrong: str | None


def case(number: int) -> Case:
    """One store of the three hundred; a quarter of them has a fault."""
    rng = np.random.default_rng(number)
    data, expected = store(), EXPECTED.copy()
    if rng.random() < 0.3:  # a value is missing in the analysis of one member
        t, m, level, lat, lon = (int(rng.integers(n)) for n in (2, 3, 2, 7, 8))
        data["temperature"].values[0, t, m, lon, 6 - lat, level] = np.nan
        expected[t, m, level, lat * 8 + lon] = np.nan
    wrong = None
    if number % 4 == 0:
        alter, wrong = WRONG[(number // 4) % len(WRONG)]
        data = alter(rng, data)
    else:
        for choices in CHOICES:
            data = choices[rng.integers(len(choices))](rng, data)
    for names in NAMES:
        if names[0] in {*data.dims, *data.coords}:
            data = renamed(*names)(rng, data)
    order = rng.permutation(list(data["temperature"].dims)) if "temperature" in data else ()
    return Case(data.transpose(*order, ...), expected, wrong)


def stored(data: xr.Dataset, number: int, home: Path) -> xr.Dataset:
    """A store written to disk in one of several formats, chunkings and packings, and opened."""
    rng, place = np.random.default_rng(number), home / f"{number}.zarr"
    encoding = {}
    if "temperature" in data and data["temperature"].dtype.kind == "f":
        packed = {"dtype": "int32", "scale_factor": 1e-6, "_FillValue": -(2**31)}
        single = {"dtype": "float32", "chunks": [max(1, n // 2) for n in data["temperature"].shape]}
        encoding = {"temperature": [{}, packed, single][rng.integers(3)]}
    version = int(rng.choice([2, 3]))
    data.to_zarr(place, zarr_format=version, consolidated=False, encoding=encoding)
    return foreign.open_store(str(place))


@pytest.mark.filterwarnings("ignore")  # of writers, on formats that others may not read
def test_a_store_is_read_with_its_numbers_or_refused_by_name(tmp_path):
    refused = 0
    for number in range(STORES):
        data, expected, wrong = case(number)
        try:
            if number % ON_DISK == 1 and wrong is None:
                data = stored(data, number, tmp_path)
            part = fields(data)
        except UserError as refusal:
            text = str(refusal)
            assert wrong is not None, (number, text)
            assert re.search(f"^theirs.zarr: .*{wrong}", text), (number, wrong, text)
            refused += 1
            continue
        assert wrong is None, (number, wrong)
        index = foreign.index_of(part, START + HOURS, "theirs.zarr")
        read = values(part)[index]
        levels = [[250.0, 500.0].index(c.level or 0.0) for c in part.layout.channels]
        np.testing.assert_allclose(read, expected[:, :, levels], atol=2e-5, err_msg=str(number))
        assert levels == [0, 1]
    assert refused == STORES // 4


SEPARATORS = (",", ";")
ENDS = ("\n", "\r\n")
HEADS = (("lat", "lon"), ("Latitude", "Longitude"), (" LAT ", "longitude"))
FAULTS = ("91", "nan", "inf", "5_0", "", "north", "1e999", "--1", "0x10", "1,5")
NUMBERS: tuple[Callable[[float], str], ...] = (repr, "{:.3e}".format, '"{}"'.format, " {} ".format)


def table(number: int) -> tuple[str, list[list[float]], str | None]:
    """Text of a station table, its places, and what is wrong with it, if anything is."""
    rng = np.random.default_rng(number)
    places = [[int(a) / 8, int(b) / 8] for a, b in rng.integers([-720, -2880], [721, 2881], (5, 2))]
    separator, end, head = (x[rng.integers(len(x))] for x in (SEPARATORS, ENDS, HEADS))
    write = NUMBERS[rng.integers(len(NUMBERS))]
    if write is NUMBERS[1]:
        places = [[float(write(x)) for x in pair] for pair in places]
    rows = [[write(x) for x in pair] for pair in places]
    fault = None
    if number % 4 == 0:
        line, fault = int(rng.integers(5)), FAULTS[(number // 4) % len(FAULTS)]
        rows[line][0] = f'"{fault}"'
        fault = f"line {line + 2}: {fault!r} is not"
    names = [f'"a\x85b\u2028 {i}"' for i in range(5)]
    lines = [["name", *head], *([name, *row] for name, row in zip(names, rows, strict=True))]
    text = end.join(separator.join(line) for line in lines) + end * int(rng.integers(3))
    return text, places, fault


def test_a_station_table_is_read_with_its_places_or_refused_with_its_line(tmp_path):
    path = tmp_path / "stations.csv"
    for number in range(TABLES):
        text, places, fault = table(number)
        path.write_bytes(text.encode())
        if fault is None:
            assert read_stations(path).points == places, number
        else:
            with pytest.raises(UserError, match=re.escape(f"{path}, {fault}")):
                read_stations(path)
    assert [p.name for p in tmp_path.iterdir()] == ["stations.csv"]
