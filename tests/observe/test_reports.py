"""Networks from tables of real reports, against counts that the BUFR files themselves gave."""

import csv
import hashlib
from importlib import resources

import numpy as np
import pytest
from grids import filled, sphere

from dabench.observe.network import build
from dabench.observe.reports import table
from dabench.scenario.locations import Misfit
from dabench.scenario.scenario import Group

# A table stands behind scenarios that only name it, so it never changes.
DIGESTS = {
    "radiosondes": "04e3ac1119136648739ac55ae0c2e8347b183974270098b6ef58116d73fb807f",
    "synop": "72ad576b08fde9c672c1d8ea81b24abfdae30b9c7393523e5bcd4254688bc21c",
}


def group(network: str, *variables: str, levels=("all",)) -> Group:
    return Group(variables=variables, levels=levels, locations={"reports": network}, error_std=1)


@pytest.mark.parametrize("name", DIGESTS)
def test_a_table_never_changes(name):
    content = (resources.files("dabench.observe") / "tables" / f"{name}.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest() == DIGESTS[name]


@pytest.mark.parametrize(
    ("name", "stations", "level", "letter", "count"),
    [
        # Counted with eccodes in the source files, report by report.
        ("radiosondes", 417, 500.0, "T", 415),
        ("radiosondes", 417, 500.0, "W", 412),
        ("radiosondes", 417, 50.0, "T", 334),
        ("radiosondes", 417, 925.0, "Q", 370),
        ("synop", 7804, None, "T", 7735),
        ("synop", 7804, None, "M", 6254),
    ],
)
def test_as_many_stations_report_as_in_the_source(name, stations, level, letter, count):
    cells = table(name).letters[level]
    assert (len(cells), sum(letter in cell for cell in cells)) == (stations, count)


@pytest.mark.parametrize("name", DIGESTS)
def test_places_are_on_the_sphere_and_each_is_there_once(name):
    latitude, longitude, *_ = table(name)
    assert (np.abs(latitude) <= 90).all()
    assert ((longitude >= 0) & (longitude <= 360)).all()
    assert len(set(zip(latitude, longitude % 360, strict=True))) == len(latitude)


def test_each_level_is_observed_where_the_table_says_so_and_nowhere_else():
    layout = sphere()
    network = build([group("radiosondes", "temperature")], layout)
    path = resources.files("dabench.observe") / "tables" / "radiosondes.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert set(network.table["level"]) == {250, 500, 850}
    for level, part in network.table.groupby("level"):
        places = {
            (float(r["latitude"]), float(r["longitude"])) for r in rows if "T" in r[f"{level:g}"]
        }
        assert set(zip(part["latitude"], part["longitude"], strict=True)) == places


def test_the_operator_interpolates_to_the_stations():
    layout = sphere()
    lat, lon = np.meshgrid(*layout.coords.values(), indexing="ij")
    x = filled(layout, temperature=250 + 0.2 * lat + 0 * lon)
    network = build([group("radiosondes", "temperature", levels=(500,))], layout)
    want = 250 + 0.2 * network.table["latitude"]
    np.testing.assert_allclose(network.h(x), want, rtol=1e-12)


def test_surface_stations_report_the_surface_alone():
    network = build([group("synop", "temperature", levels=("surface", "all"))], sphere())
    assert set(network.table["variable"]) == {"2m_temperature"}


def test_a_group_that_no_station_reports_is_refused_with_what_is_there():
    with pytest.raises(
        Misfit, match=r"report nothing of this group, but 2m_temperature, .* at the"
    ):
        build([group("synop", "u_component_of_wind")], sphere())
    with pytest.raises(Misfit, match="wind_direction, geopotential at 1000 hPa, 925 hPa"):
        build([group("radiosondes", "mean_sea_level_pressure")], sphere())
