"""Reports of weather services as tables: the right values, and an account of what is left out."""

import runpy
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dabench.core.errors import UserError
from dabench.core.units import GRAVITY
from dabench.observe.convert import bufr, reports
from dabench.observe.convert.table import convert
from dabench.scenario.values import read_table

HEADER = "#USM00072293 2008 12 08 12 1105    4 ncdc-gts ncdc-gts  328333 -1171167"
NONE = -9999
DATA = Path(__file__).parents[1] / "data"


def level(kind, *numbers):
    """A line of pressure, height, temperature, humidity, dew point depression and wind."""
    return f"{kind} {NONE:5} {numbers[0]:6} " + " ".join(f"{n:5}" for n in numbers[1:]) + "\n"


LEVELS = (
    level(21, 100400, 134, 156, NONE, 21, 300, 31)
    + level(10, 85000, 1516, 102, NONE, 50, 270, 100)
    + level(10, 50000, 5700, -155, 350, NONE, NONE, NONE)
    + level(20, 48750, NONE, -180, NONE, 60, 260, 205)
)


def igra(folder, text=f"{HEADER}\n{LEVELS}", name="station.txt"):
    (folder / name).write_text(text)
    return folder / name


def rows_of(path):
    read = read_table(path)
    names = zip(read.variable.tolist(), read.level.tolist(), strict=True)
    return dict(zip(names, read.value.tolist(), strict=True)), read


def test_a_station_file_gives_what_was_reported_at_mandatory_levels(tmp_path):
    out = tmp_path / "table.csv"
    account = convert([igra(tmp_path)], out)
    values, read = rows_of(out)
    assert values["temperature", 850] == pytest.approx(273.15 + 10.2, abs=0.005)
    assert values["geopotential", 850] == pytest.approx(1516 * GRAVITY, abs=0.05)
    assert (values["u_component_of_wind", 850], values["v_component_of_wind", 850]) == (10, 0)
    assert ("u_component_of_wind", 500) not in values
    assert {level for _, level in values} == {850, 500}
    assert (read.latitude[0], read.longitude[0]) == (32.8333, pytest.approx(242.8833))
    assert str(np.datetime64(int(read.time[0]), "s")) == "2008-12-08T12:00:00"
    assert set(read.station) == {"USM00072293"}
    assert account.left_out["at levels that are not mandatory"] == 9
    assert account.taken.total() == len(values)


def test_humidity_is_that_of_the_dew_point_or_of_the_relative_humidity(tmp_path):
    """8.84 hPa of vapour at a dew point of 5.2 °C (Smithsonian tables) are 6.49 g/kg at 850 hPa."""
    convert([igra(tmp_path)], tmp_path / "table.csv")
    values, _ = rows_of(tmp_path / "table.csv")
    assert values["specific_humidity", 850] == pytest.approx(0.00649, rel=0.005)
    over_water = 0.622 * 0.35 * 184.7 / 50_000  # 184.7 Pa at -15.5 °C over water
    assert values["specific_humidity", 500] == pytest.approx(over_water, rel=0.01)


def test_a_zip_and_a_period_are_taken_and_parquet_is_the_same(tmp_path):
    later = HEADER.replace("08 12 1105", "09 99 0030")
    text = f"{HEADER}\n{LEVELS}{later}\n{LEVELS}"
    with zipfile.ZipFile(tmp_path / "station.zip", "w") as archive:
        archive.writestr("USM00072293-data.txt", text)
    last = np.datetime64("2008-12-08T18:00")
    for name in ("all.csv", "all.parquet"):
        convert([tmp_path / "station.zip"], tmp_path / name)
    convert([tmp_path / "station.zip"], tmp_path / "first.csv", last=last)
    every, first = (read_table(tmp_path / name) for name in ("all.csv", "first.csv"))
    assert read_table(tmp_path / "all.parquet").digest == every.digest
    assert len(every.value) == 2 * len(first.value)
    assert str(np.datetime64(int(every.time[-1]), "s")) == "2008-12-09T00:30:00"  # of its release


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEADER}\n{LEVELS.splitlines()[0]}\n", ["line 3", "has 4 levels, and fewer follow"]),
        (f"{HEADER}\n{LEVELS}".replace("85000", "85O00"), ["line 3, columns 10-15", "pressure"]),
        (f"{HEADER}\n{LEVELS}".replace("12 08", "13 08"), ["line 1", "is no time"]),
        ("time,latitude\n", ["neither BUFR nor"]),
    ],
)
def test_files_of_another_form_are_refused_and_nothing_is_written(tmp_path, text, words):
    path = igra(tmp_path, text)
    with pytest.raises(UserError) as caught:
        convert([path], tmp_path / "table.csv")
    assert all(word in str(caught.value) for word in [str(path), *words]), caught.value
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def frame(**columns):
    """Elements as pdbufr gives them."""
    about = {"year": 2008, "month": 12, "day": 8, "hour": 12, "minute": 0, "latitude": 58.47,
             "longitude": -78.08, "blockNumber": 71, "stationNumber": 907}  # fmt: skip
    return pd.DataFrame({name: pd.Series(v) for name, v in columns.items()}).assign(**about)


def test_levels_of_a_sounding_in_bufr(tmp_path):
    elements = frame(
        pressure=[85000.0, 85000.0, 50000.0],
        airTemperature=[253.1, 253.1, 231.7],
        dewpointTemperature=[251.0, 251.0, np.nan],
        windDirection=[90.0, 90.0, np.nan],
        windSpeed=[9.0, 9.0, 3.0],
        nonCoordinateGeopotential=[12470.0, 12470.0, 49000.0],
    )
    table, left_out = reports.values(bufr.levels(elements, bufr.SOUNDING))
    at_850 = table[table["level"] == 850].set_index("variable")["value"]
    assert at_850["temperature"] == 253.1
    assert (at_850["u_component_of_wind"], at_850["v_component_of_wind"]) == (-9, 0)
    assert set(table["station"]) == {"71907"}
    assert left_out == {"reported twice": 5, "winds without direction or speed": 1}


def test_surface_reports_in_bufr():
    elements = frame(
        airTemperatureAt2M=[258.3, 20.0],
        windDirectionAt10M=[0.0, np.nan],
        windSpeedAt10M=[0.0, np.nan],
        pressureReducedToMeanSeaLevel=[100300.0, np.nan],
        nonCoordinatePressure=[np.nan, 99000.0],
    ).assign(latitude=[58.47, np.nan])
    table, left_out = reports.values(bufr.levels(elements, bufr.SURFACE))
    assert dict(zip(table["variable"], table["value"], strict=True)) == {
        "10m_u_component_of_wind": 0,
        "10m_v_component_of_wind": 0,
        "2m_temperature": 258.3,
        "mean_sea_level_pressure": 100300,
    }
    assert left_out == {"without a place": 2}


def test_real_messages_have_the_numbers_of_their_elements(tmp_path):
    """Two soundings and two surface reports; the numbers are ecCodes', see the file's README."""
    pytest.importorskip("pdbufr")
    account = convert([DATA / "bufr" / "reports.bufr"], tmp_path / "table.csv")
    read = pd.read_csv(tmp_path / "table.csv", dtype={"station": str})
    value = (
        read.fillna({"level": 0}).set_index(["station", "variable", "level"])["value"].sort_index()
    )
    assert value["71907", "temperature"].to_dict() == {
        300: 216.3, 400: 219.1, 500: 228.1, 700: 241.7, 850: 253.1, 925: 258.1, 1000: 259.7
    }  # fmt: skip
    assert value["71823", "geopotential"][[250, 700, 1000]].tolist() == [93750, 26780, 1030]
    assert ("71823", "temperature", 1000) not in value  # under the ground, and so not reported
    direction, speed = np.radians(310), 14
    wind = [value["71823", f"{c}_component_of_wind", 850] for c in "uv"]
    assert wind == pytest.approx(
        [-speed * np.sin(direction), -speed * np.cos(direction)], abs=0.005
    )
    assert value["40340"].droplevel("level").to_dict() == {
        "2m_temperature": 304.4,
        "10m_u_component_of_wind": 0,
        "10m_v_component_of_wind": 0,
        "mean_sea_level_pressure": 101310,
    }
    assert value["40913", "surface_pressure", 0] == 97720
    assert value["40913", "10m_v_component_of_wind", 0] == -1  # from the north: 360 degrees
    about = read.groupby("station")[["time", "latitude", "longitude"]].first()
    assert about.loc["71907"].tolist() == ["2008-12-08T12:00:00", 58.47, -78.08]
    assert about.loc["40913"].tolist() == ["2018-11-02T12:00:00", 36.67, 68.92]
    assert account.stations == 4
    assert account.taken.total() == len(read)


def test_the_real_messages_are_cut_by_their_lengths_from_the_samples(tmp_path):
    """Samples of the same messages, with headings, others between, and `BUFR` among their data."""
    cut = runpy.run_path(str(DATA / "bufr" / "cut.py"))
    content = (DATA / "bufr" / "reports.bufr").read_bytes()
    first, second, third, fourth = cut["messages"](content)
    other = b"BUFR" + (19).to_bytes(3, "big") + b"\x04BUFR7777777"
    (tmp_path / "temp.bufr").write_bytes(b"IUSD01\r\n" + first + b"\r\n" + second + other)
    (tmp_path / "perf_synop.bufr").write_bytes(third + other + fourth)
    cut["main"](tmp_path, tmp_path / "again.bufr")
    assert (tmp_path / "again.bufr").read_bytes() == content
    (tmp_path / "perf_synop.bufr").write_bytes(third[:-1])
    with pytest.raises(ValueError, match="at byte 0 is not whole"):
        cut["main"](tmp_path, tmp_path / "cut.bufr")
    assert not (tmp_path / "cut.bufr").exists()


def test_a_message_that_is_cut_is_told_by_its_file(tmp_path):
    pytest.importorskip("pdbufr")
    path = tmp_path / "cut.bufr"
    path.write_bytes((DATA / "bufr" / "reports.bufr").read_bytes()[:700])
    with pytest.raises(UserError, match=r"cut\.bufr"):
        convert([path], tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()


def test_bufr_without_pdbufr_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pdbufr", None)
    (tmp_path / "temp.bufr").write_bytes(b"BUFR0000")
    with pytest.raises(UserError, match=r"pip install 'dabench\[obs\]'"):
        convert([tmp_path / "temp.bufr"], tmp_path / "table.csv")
