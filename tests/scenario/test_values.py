"""Tables of real values: read with the right numbers, or refused with file, row and column."""

import contextlib
import csv
import re
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from dabench.core.errors import UserError
from dabench.core.units import GRAVITY
from dabench.scenario.quantities import QUANTITIES, usual_geopotential
from dabench.scenario.values import ValueTable, find, name_of, read_table

ROW = {
    "time": "2008-12-08T12:00",
    "latitude": "58.47",
    "longitude": "-78.08",
    "level": "500",
    "variable": "temperature",
    "value": "241.7",
    "error": "0.8",
    "station": "71907",
    "quality": "0",
}


def table(folder, *changes, name="table.csv", **every):
    """A CSV file of the row above, once for each mapping of changes."""
    rows = [ROW | every | change for change in changes]
    pd.DataFrame(rows).to_csv(folder / name, index=False)
    return folder / name


def refusal(path):
    with pytest.raises(UserError) as caught:
        read_table(path)
    message = str(caught.value)
    assert str(path) in message
    return message


def test_a_row_has_its_numbers(tmp_path):
    read = read_table(table(tmp_path, {}))
    assert (read.time[0], read.longitude[0]) == (1228737600, pytest.approx(281.92))
    assert (read.level[0], read.value[0], read.error[0]) == (500, 241.7, 0.8)
    assert (read.variable[0], read.station[0], read.row[0]) == ("temperature", "71907", 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"variable": "temprature"}, ["column variable", "did you mean 'temperature'"]),
        ({"value": "-31.5"}, ["column value", "'-31.5' cannot be temperature in K"]),
        ({"value": ""}, ["column value", "leave out rows"]),
        ({"value": "nan"}, ["column value", "'nan' is not a finite number"]),
        ({"value": "24_1"}, ["column value", "'24_1' is not a finite number"]),
        ({"error": "0"}, ["column error", "above 0"]),
        ({"error": "-1"}, ["column error", "above 0"]),
        ({"latitude": "95"}, ["column latitude", "'95' is not a number between -90 and 90"]),
        ({"longitude": "1e3"}, ["column longitude", "between -360 and 360"]),
        ({"quality": "fine"}, ["column quality", "'fine' is no flag"]),
        ({"level": "50000"}, ["column level", "'50000' is no pressure in hPa"]),
        ({"level": ""}, ["column level", "2m_temperature"]),
        ({"variable": "2m_temperature"}, ["column level", "has no level"]),
        ({"time": "2019-02-30"}, ["column time", "'2019-02-30' is not an ISO time"]),
        ({"time": "0999-01-01"}, ["column time", "1700 to 2199"]),
        ({"variable": "geopotential", "value": "5570"}, ["column value", "in m2 s-2"]),
        ({"variable": "specific_humidity", "value": "3.1"}, ["column value", "in kg kg-1"]),
    ],
)
def test_a_faulty_cell_is_named(tmp_path, change, words):
    message = refusal(table(tmp_path, {"level": "850"}, change))
    assert "line 3" in message
    assert all(word in message for word in words), message


def test_rows_that_repeat_others_are_refused(tmp_path):
    path = table(tmp_path, {}, {"level": "850"}, {"value": "1.9e2"})
    assert "line 4: repeats line 2" in refusal(path)
    read = read_table(table(tmp_path, {}, {"station": "other"}, name="other.csv"))
    assert len(read.value) == 2  # two instruments at one place


@pytest.mark.parametrize(
    ("units", "variable", "theirs", "ours"),
    [
        ("degC", "temperature", "-31.5", 241.65),
        ("gpm", "geopotential", "5570", 5570 * GRAVITY),
        ("g/kg", "specific_humidity", "3.1", 0.0031),
        ("kt", "u_component_of_wind", "36", 36 * 1852 / 3600),
    ],
)
def test_units_that_are_named_are_converted(tmp_path, units, variable, theirs, ours):
    path = table(tmp_path, {"units": units}, variable=variable, value=theirs)
    read = read_table(path)
    assert read.value[0] == pytest.approx(ours)
    assert read.error[0] == pytest.approx(0.8 * (ours / float(theirs) if units != "degC" else 1))
    message = refusal(table(tmp_path, {"units": "furlong"}, variable=variable, value=theirs))
    assert "line 2, column units" in message
    assert "'furlong'" in message


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("time,latitude,longitude,variable", ["no column value"]),
        ("time,lat,latitude,longitude,variable,value", ["2 columns of the latitude"]),
        ("time,latitude,longitude,variable,value,eror", ["'eror'", "did you mean 'error'"]),
    ],
)
def test_a_header_names_what_is_missing_twice_or_misspelt(tmp_path, header, words):
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    message = refusal(path)
    assert all(word in message for word in words), message


def test_what_is_doubtful_is_left_out_and_counted(tmp_path):
    read = read_table(table(tmp_path, {}, {"quality": "suspect", "level": "850"}))
    assert (len(read.value), read.doubtful) == (1, 1)
    assert "no observation of good quality" in refusal(table(tmp_path, {}, quality="2"))


def test_files_that_are_no_tables_are_refused(tmp_path):
    for name, content in {
        "empty.csv": "",
        "head.csv": ",".join(ROW),
        "not.parquet": "time,latitude",
        "short.csv": "time,latitude,longitude,variable,value\n2008-12-08,1,2\n",
    }.items():
        (tmp_path / name).write_text(content)
        refusal(tmp_path / name)
    refusal(tmp_path / "absent.parquet")


def test_the_digest_is_of_the_content(tmp_path):
    one = table(tmp_path, {}, {"level": "850"}, name="one.csv")
    other = table(tmp_path, {"level": "850.0"}, {"time": "2008-12-08T13:00+01:00"}, name="b.csv")
    frame = pd.read_csv(one, parse_dates=["time"])
    frame.to_parquet(tmp_path / "one.parquet")
    digests = {read_table(p).digest for p in (one, other, tmp_path / "one.parquet")}
    assert len(digests) == 1
    assert read_table(table(tmp_path, {}, name="c.csv")).digest not in digests


def test_a_table_below_a_folder_of_scenarios_has_a_short_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios" / "mine").mkdir(parents=True)
    path = table(tmp_path / "scenarios" / "mine", {})
    assert name_of(path) == "mine/table.csv"
    assert find("mine/table.csv").samefile(path)
    assert name_of(table(tmp_path, {})) == str(tmp_path / "table.csv")


class Generated:
    """A table with known numbers, written in one of the ways that people write tables."""

    def __init__(self, seed, folder):
        self.rng = rng = np.random.default_rng(seed)
        count = int(rng.integers(1, 12))
        names = rng.choice(list(QUANTITIES), count)
        has_level = np.array([QUANTITIES[n].has_level for n in names])
        level = np.where(has_level, rng.permutation(np.linspace(100, 1000, count).round()), np.nan)
        self.numbers = {
            "time": 1228737600 + 60 * rng.integers(0, 10_000, count),
            "latitude": rng.uniform(-90, 90, count).round(4),
            "longitude": (rng.permutation(count) * 13.5 + rng.uniform(0, 1)).round(4),
            "level": level,
            "value": np.array([self._value(*pair) for pair in zip(names, level, strict=True)]),
            "error": np.where(rng.random(count) < 0.8, rng.uniform(0.1, 3, count).round(3), np.nan),
        }
        self.variable = names
        self.kind = rng.choice(["csv", "semicolons", "parquet"])
        self.path = folder / f"{seed}.{'parquet' if self.kind == 'parquet' else 'csv'}"

    def _value(self, name, level):
        if name == "geopotential":
            return float(usual_geopotential(np.array([level]))[0].round(1))
        quantity = QUANTITIES[name]
        return float(np.float64(self.rng.uniform(quantity.low, quantity.high)).round(6))

    def columns(self):
        """Columns as texts, under the names that people give them, and in some order."""
        zone = self.rng.choice(["", "Z", "+00:00"])
        turn = 360 * self.rng.integers(0, 2)
        columns = {
            "time": [f"{np.datetime64(int(t), 's')}{zone}" for t in self.numbers["time"]],
            self._one("latitude", "lat", " Latitude "): self._texts("latitude"),
            self._one("longitude", "lon"): [f"{v - turn:.4f}" for v in self.numbers["longitude"]],
            self._one("level", "pressure"): self._texts("level"),
            "variable": list(self.variable),
            "value": self._texts("value"),
            "remark": ["a, b"] * len(self.variable),
        }
        if self.rng.random() < 0.7 or not np.isnan(self.numbers["error"]).all():
            columns[self._one("error", "error_std")] = self._texts("error")
        if self.rng.random() < 0.5:
            flags = ["", "0", "good", "GOOD"]
            columns["quality"] = list(self.rng.choice(flags, len(self.variable)))
        order = self.rng.permutation(len(columns))
        return {list(columns)[i]: list(columns.values())[i] for i in order}

    def _one(self, *names):
        return str(self.rng.choice(names))

    def _texts(self, name):
        return ["" if np.isnan(v) else repr(float(v)) for v in self.numbers[name]]

    def write(self, columns):
        if self.kind == "parquet":
            return self._write_parquet(columns)
        with open(self.path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=";" if self.kind == "semicolons" else ",")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return self.path

    def _write_parquet(self, columns):
        """Numbers as such where all of a column are, as pandas has them."""
        frame = pd.DataFrame(columns)
        for name in frame:
            if name.strip().lower() not in ("time", "variable", "quality", "remark"):
                with contextlib.suppress(ValueError):
                    frame[name] = frame[name].replace("", np.nan).astype(float)
        frame.to_parquet(self.path)
        return self.path

    def damage(self, columns):
        """Put one fault into a cell; returns the column's proper name and the number of its row."""
        faults = {
            "time": ["yesterday", "2008-13-01", ""],
            "latitude": ["90.5", "north", ""],
            "longitude": ["-361", "80W", ""],
            "variable": ["temprature", "", "t"],
            "value": ["", "1e30", "12 K", "inf"],
            "error": ["0", "-0.5", "inf"],
            "level": ["1e5", "-500", "high"],
            "quality": ["7", "fine"],
        }
        places = {self._proper(name): name for name in columns}
        name = str(self.rng.choice([n for n in faults if n in places]))
        row = int(self.rng.integers(len(self.variable)))
        columns[places[name]][row] = str(self.rng.choice(faults[name]))
        return name, row

    @staticmethod
    def _proper(name):
        short = {"lat": "latitude", "lon": "longitude", "pressure": "level", "error_std": "error"}
        return short.get(name.strip().lower(), name.strip().lower())


def test_three_hundred_tables_are_read_rightly_or_refused_by_cell(tmp_path):
    refused = 0
    for seed in range(300):
        made = Generated(seed, tmp_path)
        columns = made.columns()
        fault = made.damage(columns) if made.rng.random() < 0.5 else None
        path = made.write(columns)
        if fault is None:
            same_numbers(made, read_table(path))
            continue
        refused += 1
        message, (name, row) = refusal(path), fault
        place = f"row {row + 1}" if made.kind == "parquet" else f"line {row + 2}"
        assert re.search(rf", {place}, column {name}: ", message), (seed, message)
    assert 100 < refused < 200


def same_numbers(made, read):
    order = read.row - read.row.min()
    for field in fields(ValueTable):
        if field.name in made.numbers:
            expected = made.numbers[field.name][order]
            np.testing.assert_allclose(getattr(read, field.name), expected, rtol=1e-12, atol=1e-9)
    assert list(read.variable) == list(made.variable[order])
