"""Metadata of archives, as cf_xarray, pint and netCDF read them."""

import json

import cf_xarray  # noqa: F401 (the accessor `cf`)
import numpy as np
import pytest
import xarray as xr
from cf_xarray.units import units
from mock_run import SITES, SPHERE, record, write

from dabench.runs.archive import read
from dabench.runs.archive.cf import STANDARD_NAMES
from dabench.scores.run import Run
from dabench.systems.gencast import channels as gencast
from dabench.systems.held_suarez import channels as held_suarez
from dabench.systems.speedy import channels as speedy


def opened(folder, layout):
    write(folder / "run", layout)
    return Run.open(folder / "run")


@pytest.fixture
def run(tmp_path):
    return opened(tmp_path, SPHERE)


def test_cf_xarray_finds_fields_and_axes_by_their_standard_names(run):
    mean = run.archive["mean"].to_dataset()
    assert set(mean.cf.standard_names["air_temperature"]) == {"temperature", "2m_temperature"}
    assert mean.cf["eastward_wind"].name == "u_component_of_wind"
    axes = {axis: names for axis, names in mean.cf.axes.items() if axis in "XYZ"}
    assert axes == {"X": ["longitude"], "Y": ["latitude"], "Z": ["level"]}
    assert mean.cf["latitude"].attrs["units"] == "degrees_north"
    assert mean["temperature"].attrs["cell_methods"] == "member: mean"
    assert run.archive.attrs["Conventions"].startswith("CF-")


def test_reasons_of_rejections_are_flags_with_meanings(tmp_path):
    rec = record(SPHERE)
    rejected = np.zeros(rec.y.shape, np.uint8)
    rejected[3, 0], rejected[4, 1:] = 1, 2
    rec.info["rejected"] = rejected
    write(tmp_path / "run", rec=rec)
    flags = Run.open(tmp_path / "run").archive["diagnostics/rejected"]
    assert flags.cf.is_flag_variable
    np.testing.assert_array_equal(flags.cf == "background_check", rejected == 1)
    np.testing.assert_array_equal(flags.cf == "buddy_check", rejected == 2)
    np.testing.assert_array_equal(flags.cf == "used", rejected == 0)


def test_members_are_numbered(run):
    members = run.archive["members"].to_dataset()
    assert members.cf["realization"].values.tolist() == [0, 1, 2, 3]


def test_all_units_of_an_archive_can_be_read(run):
    for node in run.archive.children.values():
        for variable in node.to_dataset().drop_vars("time").variables.values():
            units.parse_units(variable.attrs.get("units", "1"))


@pytest.mark.parametrize("system", [gencast.UNITS, held_suarez.UPPER, speedy.UPPER])
def test_units_of_atmospheres_can_be_read(system):
    for text in system.values():
        units.parse_units(text)


def test_variables_have_one_order_in_all_groups(run):
    tree = run.archive
    assert list(tree["truth"].data_vars) == list(tree["members"].data_vars)
    assert list(tree["truth"].data_vars) == list(tree["mean"].data_vars)


def test_a_run_can_be_written_as_netcdf(run, tmp_path):
    run.archive.to_netcdf(tmp_path / "run.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "run.nc", engine="h5netcdf") as tree:
        xr.testing.assert_equal(tree["mean"].to_dataset(), run.archive["mean"].to_dataset())
        assert json.loads(tree.attrs["scenario"])["name"] == run.attributes["scenario"]["name"]


def test_times_without_a_calendar_are_times_since_the_start(tmp_path):
    run = opened(tmp_path, SITES)
    raw = read.open_run(run)["mean"]["time"].values
    time = run.archive["mean"]["time"]
    np.testing.assert_array_equal(time.values, np.round(raw * 1e9).astype("timedelta64[ns]"))


def test_fields_of_gencast_have_standard_names():
    assert set(gencast.UNITS) <= set(STANDARD_NAMES)
