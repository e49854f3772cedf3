"""Three hundred stores and station tables, made by chance: the right numbers, or a refusal."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr
from test_foreign import EXPECTED, HOURS, START, fields, one_cycle, store, values

from dabench import cli
from dabench.core.errors import UserError
from dabench.runs.archive import read
from dabench.runs.exchange import foreign, import_
from dabench.scenario.locations import read_stations

STORES = TABLES = 300
READ, ON_DISK = 3, 12  # every third store is read, and every twelfth written and read again
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
    (lambda rng, d: d.assign_coords(time=[0, 12]), "time: int64, not dates.*; datetime64 is need"),
    (lambda rng, d: d.expand_dims(number=[0, 1]), "number and .* both could be the member; leave"),
    (lambda rng, d: d.isel(realization=slice(0)), "member: .* length 0; at least one .* is needed"),
    (lambda rng, d: d.expand_dims(tile=2), r"the dimension tile \(2\), .*; leave one entry"),
    (with_coordinate("level", lambda x: x, units="eta"), "level: .*'eta' are not known; hPa.* are"),
    (with_coordinate("level", lambda x: x * 0 + 500), "level: 500.*one of them twice; leave one"),
    (lambda rng, d: d.drop_vars("level"), "level: 2 levels without a coordinate; add one"),
    (in_units("Pa"), "temperature: is in Pa, and K is needed; convert it"),
    (in_units("g kg-1"), "temperature: is in g kg-1, and K is needed; convert it"),
    (lambda rng, d: d.assign_coords(prediction_timedelta=HOURS + HOURS[1]),
     "lead: there is no lead 0 h.*; it has .*12.0.* h, and forecasts are not compared"),
    (lambda rng, d: d.assign_coords(prediction_timedelta=[0.5, 1.0]),
     "lead: there is no lead 0 h.*; it has 0.5, 1.0 h, and forecasts are not compared"),
    (lambda rng, d: d.isel(latitude=slice(2, None)),
     "latitude is not that of the scenario: 5 values.*; bring the store to the scenario's grid"),
    (lambda rng, d: d.isel(longitude=slice(3)),
     "longitude is not that of the scenario: 3 values.*; bring the store to the scenario's grid"),
    (with_coordinate("longitude", lambda x: x + 7.0),
     "longitude is not that of the scenario: 8 values.*; bring the store to the scenario's grid"),
    (with_coordinate("longitude", lambda x: x // 90 * 90),
     "longitude: 4 columns are there twice; leave one"),
    (lambda rng, d: d.isel(longitude=0), "longitude: is no axis of values; fields .* are needed"),
    (lambda rng, d: d.rename(temperature="t"),
     "none of the scenario's variables; it has t, and .*temperature 250 hPa.* are needed"),
    (lambda rng, d: d.assign(temperature=d["temperature"].isel(time=0, drop=True)),
     "temperature: does not depend on time; it has .*, and time, latitude, longitude are needed"),
    (lambda rng, d: d.assign(temperature=d["temperature"].astype(str)),
     "temperature: holds .*, and numbers are needed"),
)  # fmt: skip
"""What no store may be, and what is said of it: the name, what was found, and what would do."""

LATER: tuple[tuple[Alter, str], ...] = (
    (lambda rng, d: d.assign_coords(
        time=("time", [0, 12], {"units": "hours since 2019-01-01", "calendar": "noleap"})),
     "time: has the calendar noleap; dates of the standard calendar are needed"),
    (lambda rng, d: d * np.nan, "temperature 250 hPa, .*: has missing values in all .*; fill them"),
    (lambda rng, d: d.assign_coords(time=d["time"] - HOURS[1]),
     "time: has no analysis at 2019-01-01T12.*; it has 2 from 2018-12-31T12.* --cycles N"),
    (lambda rng, d: d.drop_vars("longitude"),
     "longitude: is not there; a coordinate longitude or lon is needed, and .*latitude.* is there"),
)  # fmt: skip
"""The same for what the whole import alone finds, in values, times and files."""


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


def stored(data: xr.Dataset, number: int, home: Path) -> str:
    """The place of a store that is written in one of several formats, chunkings and packings."""
    rng, place = np.random.default_rng(number), home / f"{number}.zarr"
    encoding = {}
    if "temperature" in data and data["temperature"].dtype.kind == "f":
        packed = {"dtype": "int32", "scale_factor": 1e-6, "_FillValue": -(2**31)}
        single = {"dtype": "float32", "chunks": [max(1, n // 2) for n in data["temperature"].shape]}
        encoding = {"temperature": [{}, packed, single][rng.integers(3)]}
    version = int(rng.choice([2, 3]))
    data.to_zarr(place, zarr_format=version, consolidated=False, encoding=encoding)
    return str(place)


@pytest.mark.filterwarnings("ignore")  # of writers, on formats that others may not read
def test_a_store_is_read_with_its_numbers_or_refused_by_name(tmp_path):
    """A third of the stores, with all faults; the whole import takes all, on disk."""
    refused = 0
    for number in range(0, STORES, READ):
        data, expected, wrong = case(number)
        try:
            if number % ON_DISK == 3 and wrong is None:
                data = foreign.open_store(stored(data, number, tmp_path))
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
    assert refused == STORES // 4 // READ


@pytest.fixture
def imported(monkeypatch, tmp_path, capsys):
    """`dabench import` of a store for the experiment of one cycle: exit code and messages."""
    monkeypatch.chdir(tmp_path)
    whole = one_cycle()
    monkeypatch.setattr(import_, "Experiment", lambda _: whole)

    def call(name):
        command = ["dabench", "import", f"{name}.zarr", "--scenario", "temp_16deg"]
        monkeypatch.setattr(sys, "argv", [*command, "--name", str(name)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code or 0, capsys.readouterr().err

    return call


def assert_imported(imported, number: int, fault: int | None = None) -> None:
    """One store is a run with its numbers, or refused with exit code 2, and leaves nothing.

    Arguments:
        imported: The command.
        number: Number of the store.
        fault: Number of one more fault, which the whole import alone finds.
    """
    data, expected, wrong = case(number)
    if fault is not None:
        rng = np.random.default_rng(number)
        alter, wrong = LATER[fault]
        data = alter(rng, store().isel(prediction_timedelta=0, drop=True))
    stored(data, number, Path())
    code, message = imported(number)
    shutil.rmtree(f"{number}.zarr")
    if wrong is not None:
        assert code == 2, (number, message)
        assert re.search(f"{number}.zarr: .*{wrong}", message.replace("\n", " ")), (number, message)
        assert "Traceback" not in message
        assert list(Path().iterdir()) == [], number
        return
    assert code == 0, (number, message)
    run = read.open_run(Path(f"runs/temp_16deg/held_suarez/external-{number}/seed0"))
    members = np.asarray(run["members"]["temperature"]).reshape(2, -1, 2, 56)
    np.testing.assert_allclose(members, expected, atol=2e-5, err_msg=str(number))
    shutil.rmtree("runs")


@pytest.mark.filterwarnings("ignore")
def test_an_import_has_the_numbers_of_a_store_or_exits_and_leaves_nothing(imported):
    """What the whole import alone finds, some other faults, and some stores without one."""
    for fault in range(len(LATER)):
        assert_imported(imported, 1, fault)
    for number in (*range(0, 4 * len(WRONG), 20), 1, 2, 3):
        assert_imported(imported, number)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, STORES, 20))
def test_three_hundred_imports_have_the_numbers_of_their_stores_or_exit(imported, first):
    for number in range(first, first + 20):
        assert_imported(imported, number)


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
