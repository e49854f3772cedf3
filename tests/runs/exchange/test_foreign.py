"""Stores as people have them: read with the right numbers, or refused with what was found."""

from types import SimpleNamespace

import mock_run
import numpy as np
import pytest
import xarray as xr

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.core.units import conversion, normal
from dabench.runs.archive import read
from dabench.runs.exchange import foreign, import_
from dabench.scenario.load import change, load_scenario
from dabench.scores.files import score_run

START = np.datetime64("2019-01-01T00", "ns")
HOURS = np.array([0, 12], "m8[h]").astype("m8[ns]")
LAYOUT = Layout(
    (
        Channel("2m_temperature", "K"),
        Channel("temperature", "K", 250.0),
        Channel("temperature", "K", 500.0),
    ),
    mock_run.SPHERE.coords,
)


def store() -> xr.Dataset:
    """Someone else's analyses: other names, another order, latitude descending."""
    lat, lon = LAYOUT.coords["latitude"][::-1], LAYOUT.coords["longitude"]
    values = 280 + np.random.default_rng(0).normal(size=(2, 2, 3, 8, 7, 2))
    dims = ("prediction_timedelta", "time", "realization", "longitude", "latitude", "level")
    coords = {
        "prediction_timedelta": HOURS,
        "time": START + HOURS,
        "longitude": lon,
        "latitude": lat,
        "level": [250, 500],
    }
    data = xr.Dataset({"temperature": (dims, values)}, coords)
    return data.assign(temperature=data["temperature"].assign_attrs(units="K"))


EXPECTED = (
    store()["temperature"].values[0].transpose(0, 1, 4, 3, 2)[..., ::-1, :].reshape(2, 3, 2, 56)
)
"""Values (time, member, level, point) of the analyses."""


def fields(data: xr.Dataset) -> foreign.Fields:
    return foreign.fields(data, LAYOUT, "theirs.zarr")


def values(part: foreign.Fields) -> np.ndarray:
    """Values (time, member, channel, point) of the channels that are there."""
    return part.layout.from_dataset(part.data, ("time", "member"))


def with_units(data: xr.Dataset, units: str, shift: float = 0.0) -> xr.Dataset:
    return data.assign(temperature=(data["temperature"] + shift).assign_attrs(units=units))


def with_levels(data: xr.Dataset, levels, **attrs) -> xr.Dataset:
    return data.assign_coords(level=("level", levels, attrs))


def with_longitude(data: xr.Dataset, longitude) -> xr.Dataset:
    return data.assign_coords(longitude=longitude)


READ = {
    "as it is": lambda d: d,
    "short names": lambda d: d.rename(latitude="lat", longitude="lon"),
    "ens": lambda d: d.rename(realization="ens"),
    "ensemble_member": lambda d: d.rename(realization="ensemble_member"),
    "a batch of one": lambda d: d.expand_dims("batch"),
    "pressure_level": lambda d: d.rename(level="pressure_level"),
    "plev in Pa": lambda d: with_levels(d, [25000.0, 50000.0], units="Pa").rename(level="plev"),
    "Pa without units": lambda d: with_levels(d, [25000.0, 50000.0]),
    "levels as text": lambda d: with_levels(d, ["250", "500"]),
    "levels off by rounding": lambda d: with_levels(d, [250.00001, 499.99999]),
    "levels descending": lambda d: d.isel(level=slice(None, None, -1)),
    "west and east": lambda d: with_longitude(d, (d["longitude"] + 180) % 360 - 180),
    "rolled": lambda d: d.roll(longitude=3, roll_coords=True),
    "longitude descending": lambda d: d.isel(longitude=slice(None, None, -1)),
    "a cyclic column": lambda d: xr.concat(
        [d, with_longitude(d.isel(longitude=[0]), [360.0])], "longitude"
    ),
    "west by rounding": lambda d: with_longitude(d, d["longitude"] - 1e-9),
    "times unsorted": lambda d: d.isel(time=[1, 0]).sortby("time"),
    "leads in hours": lambda d: d.assign_coords(prediction_timedelta=[0, 12]),
    "leads in days": lambda d: d.assign_coords(
        prediction_timedelta=("prediction_timedelta", [0.0, 0.5], {"units": "days"})
    ),
    "one lead": lambda d: d.isel(prediction_timedelta=0),
    "no lead": lambda d: d.isel(prediction_timedelta=0, drop=True),
    "valid times beside": lambda d: d.assign_coords(
        valid_time=d["time"] + d["prediction_timedelta"]
    ),
    "degrees Celsius": lambda d: with_units(d, "degC", -273.15),
    "kelvin in words": lambda d: with_units(d, "kelvin"),
}


@pytest.mark.parametrize("how", READ)
def test_what_can_be_understood_is_read_with_its_values(how):
    part = fields(READ[how](store()))
    assert [(c.name, c.level) for c in part.layout.channels] == [
        ("temperature", 250.0),
        ("temperature", 500.0),
    ]
    np.testing.assert_allclose(values(part), EXPECTED, rtol=1e-12)


REFUSED = {
    "a lead of 12 h": (lambda d: d.isel(prediction_timedelta=1), "no lead 0 h.*it has 12.0 h"),
    "leads of half a cycle": (
        lambda d: d.assign_coords(prediction_timedelta=[0.5, 1.0]),
        "no lead 0 h, .*it has 0.5, 1.0 h",
    ),
    "leads in fortnights": (
        lambda d: d.assign_coords(
            prediction_timedelta=("prediction_timedelta", [0, 1], {"units": "fortnights"})
        ),
        "its units 'fortnights' are not known",
    ),
    "a time twice": (lambda d: xr.concat([d, d], "time"), "2019-01-01T00.* is there 2 times"),
    "times without dates": (
        lambda d: d.assign_coords(time=[0, 12]),
        "time: int64, not dates of the standard calendar",
    ),
    "two dimensions of members": (
        lambda d: d.expand_dims(number=[0, 1]),
        "has number and realization, which both could be the member",
    ),
    "no members": (lambda d: d.isel(realization=slice(0)), "length 0; at least one"),
    "two latitudes": (lambda d: d.expand_dims(lat=[0.0, 1.0]), "has latitude and lat, which both"),
    "a dimension unknown": (lambda d: d.expand_dims(tile=3), r"dimension tile \(3\), whose"),
    "levels without names": (lambda d: d.drop_vars("level"), "2 levels without a coordinate"),
    "levels of a model": (
        lambda d: with_levels(d, [1, 2], units="eta"),
        "level: its units 'eta' are not known; hPa",
    ),
    "a level twice": (lambda d: with_levels(d, [250, 250]), "level: 250.0, 250.0, one of them"),
    "levels that are words": (
        lambda d: with_levels(d, ["low", "high"]),
        "low, high are no numbers",
    ),
    "units that contradict": (
        lambda d: with_units(d, "Pa"),
        "temperature: is in Pa, and K is needed; convert it",
    ),
    "half a globe": (
        lambda d: d.isel(longitude=slice(4)),
        "longitude is not that of the scenario: 4 values from 0 to 135, 8 from 0 to 315 here",
    ),
    "other latitudes": (lambda d: d.isel(latitude=slice(1, None)), "latitude is not that of the"),
    "text for numbers": (
        lambda d: d.assign(temperature=d["temperature"].astype(str)),
        "temperature: holds <U32, and numbers are needed",
    ),
    "latitudes that are words": (
        lambda d: d.assign_coords(latitude=[f"{x}N" for x in range(7)]),
        "latitude: 0N, 1N, 2N, 3N, 4N, 5N, 6N are no numbers",
    ),
    "one latitude": (lambda d: d.isel(latitude=0), "latitude: is no axis of values"),
    "no latitude at all": (lambda d: d.isel(latitude=slice(0)), "latitude: is no axis of values"),
    "no levels at all": (lambda d: d.isel(level=slice(0)), "none of .* variables; it has temper"),
    "no times at all": (
        lambda d: d.isel(time=slice(0)).assign_coords(time=np.array([], object)),
        "time: object, not dates of the standard calendar",
    ),
    "a time missing": (
        lambda d: d.assign_coords(time=[START, np.datetime64("NaT", "ns")]),
        "time: 1 of 2 are missing",
    ),
    "the analysis twice": (
        lambda d: d.assign_coords(prediction_timedelta=HOURS[[0, 0]]),
        "lead: 0 h is there 2 times",
    ),
    "leads that are words": (
        lambda d: d.assign_coords(prediction_timedelta=["now", "later"]),
        "lead: now, later are no numbers",
    ),
    "no longitude": (lambda d: d.rename(longitude="x"), r"the dimension x \(8\), whose meaning"),
    "other variables": (lambda d: d.rename(temperature="t"), "none of .* variables; it has t"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_contradicts_is_refused_by_name(how):
    alter, pattern = REFUSED[how]
    with pytest.raises(UserError, match=f"theirs.zarr: .*{pattern}"):
        fields(alter(store()))


def test_one_level_as_a_scalar_is_that_level():
    part = fields(store().isel(level=1))
    assert [c.level for c in part.layout.channels] == [500.0]
    np.testing.assert_array_equal(values(part)[:, :, 0], EXPECTED[:, :, 1])


def test_what_was_done_and_what_is_not_there_is_told():
    assert fields(store()).notes == ("not there: 2m_temperature",)
    notes = fields(with_units(store(), "degC").isel(level=[0])).notes
    assert notes == (
        "temperature: converted from degC to K",
        "not there: 2m_temperature, temperature 500 hPa",
    )
    bare = store()
    del bare["temperature"].attrs["units"]
    assert fields(bare).notes[0] == "temperature: tells no units, taken as K"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        *(("degC", "K"), ("hPa", "Pa"), ("m/s", "m s**-1"), ("km/h", "m s-1"), ("knot", "m s-1")),
        *(("m^2/s^2", "m2 s-2"), ("J/kg", "m**2 s**-2"), ("g/kg", "kg kg**-1"), ("mm", "m")),
    ],
)
def test_units_are_converted_as_pint_does(theirs, ours):
    pint = pytest.importorskip("pint")
    units = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)

    def unit(text):
        words = normal(text).replace("-", "^-").replace("2", "^2").replace("^-^2", "^-2")
        return units.parse_units("*".join(words.split()))

    how = conversion(theirs, ours)
    assert how
    expected = units.Quantity(7.0, unit(theirs)).to(unit(ours)).magnitude
    assert 7.0 * how.scale + how.offset == pytest.approx(expected, rel=1e-12)


def test_heights_become_geopotential_and_unknown_units_nothing():
    assert conversion("gpm", "m2 s-2") == (9.80665, 0)
    assert conversion("furlong", "m") is None
    assert conversion("K", "Pa") is None


def one_cycle() -> SimpleNamespace:
    """An experiment of one cycle on the small sphere."""
    rec = mock_run.record(mock_run.SPHERE, cycles=1)
    layout = mock_run.SPHERE
    truth = np.stack([np.concatenate([t, t]).ravel() for t in rec.truth])
    system = SimpleNamespace(name="held_suarez", layout=layout, start="2019", digest="d", graph="")
    twin = SimpleNamespace(
        cycles=1,
        times=(START + HOURS).astype("M8[s]").astype(float),
        truth=truth,
        network=SimpleNamespace(table=mock_run.network(layout), size=len(rec.y[0])),
        observation=lambda k: SimpleNamespace(y=rec.y[k]),
        system=system,
    )
    scenario = change(load_scenario("temp_16deg"), cycles=1)
    return SimpleNamespace(scenario=scenario, system=system, twin=twin)


@pytest.fixture
def experiment(monkeypatch, tmp_path):
    """An experiment of one cycle on the small sphere, in place of a scenario's; and a store."""
    monkeypatch.chdir(tmp_path)
    whole = one_cycle()
    monkeypatch.setattr(import_, "Experiment", lambda _: whole)
    store().to_zarr("theirs.zarr", zarr_format=2)
    return tmp_path


def brought_in(notes=None):
    return import_.import_store("theirs.zarr", "temp_16deg", "them", note=(notes or []).append)


def test_an_import_is_scored_and_told(experiment):
    notes = ["first"]
    folder = brought_in(notes)
    members = np.asarray(read.open_run(folder)["members"]["temperature"])
    np.testing.assert_allclose(members.reshape(2, 3, 2, 56), EXPECTED, rtol=1e-6)
    assert notes[1] == "taken: 2 fields of 3 members"
    assert "not there: 2m_temperature, u_component_of_wind 500 hPa" in notes
    assert {key.variable for key in score_run(folder).scores} >= {"temperature"}


def test_missing_values_are_counted(experiment):
    data = store()
    data["temperature"][0, 1, 2, 0, 0, 1] = np.nan
    data.to_zarr("theirs.zarr", zarr_format=2, mode="w")
    notes = ["first"]
    brought_in(notes)
    assert notes[-1] == "temperature 500 hPa: missing values in 1 of 1 cycles"


def test_lost_chunks_are_counted_be_they_filled_with_zero(experiment):
    encoding = {"temperature": {"chunks": (1, 1, 3, 8, 7, 1), "_FillValue": None}}
    store().to_zarr("theirs.zarr", zarr_format=2, mode="w", encoding=encoding)
    (experiment / "theirs.zarr" / "temperature" / "0.1.0.0.0.1").unlink()
    notes = ["first"]
    brought_in(notes)
    assert notes[-1] == (
        "temperature 500 hPa: one value everywhere (are chunks lost?) in 1 of 1 cycles"
    )


def damaged_chunk(root):
    chunk = next(p for p in (root / "theirs.zarr/temperature").iterdir() if p.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes()[:20])


def nothing_but_nan(root):
    (store() * np.nan).to_zarr("theirs.zarr", zarr_format=2, mode="w")


def kelvin_as_celsius(root):
    with_units(store(), "degC").to_zarr("theirs.zarr", zarr_format=2, mode="w")


def celsius_without_units(root):
    data = store() - 273.15
    data.to_zarr("theirs.zarr", zarr_format=2, mode="w")


def no_time_at_all(root):
    store().isel(time=slice(0)).to_zarr("theirs.zarr", zarr_format=2, mode="w")


def a_time_missing(root):
    store().isel(time=[0]).to_zarr("theirs.zarr", zarr_format=2, mode="w")


@pytest.mark.parametrize(
    ("damage", "pattern"),
    [
        (
            damaged_chunk,
            "temperature: 2019-01-01T00:00:00 cannot be read .*damaged.*Copy",
        ),
        (nothing_but_nan, "has missing values in all fields of every cycle"),
        (kelvin_as_celsius, "temperature 250 hPa: its mean .*; are its units K as it says?"),
        (celsius_without_units, "temperature 250 hPa: its mean .*; are its units K as it says?"),
        (no_time_at_all, "time: has no analysis at 2019-01-01T12.*; it has none"),
        (a_time_missing, "has no analysis at 2019-01-01T12"),
    ],
)
def test_an_import_that_fails_leaves_nothing_and_can_be_repeated(damage, pattern, experiment):
    damage(experiment)
    with pytest.raises(UserError, match=pattern):
        brought_in()
    assert [p.name for p in experiment.iterdir()] == ["theirs.zarr"]
    store().to_zarr("theirs.zarr", zarr_format=2, mode="w")
    assert (brought_in() / "archive.zarr").exists()


def test_another_calendar_is_no_matter_of_a_network(tmp_path):
    """Without cftime xarray cannot read it, with cftime its times are no dates of ours."""
    days = ("time", [0, 1], {"units": "days since 2019-01-01", "calendar": "noleap"})
    place = str(tmp_path / "noleap.zarr")
    store().assign_coords(time=days).to_zarr(place, zarr_format=2)
    with pytest.raises(UserError, match=r"noleap.zarr: time: .*noleap.*; d\S+ .*needed") as e:
        fields(foreign.open_store(place))
    assert "network" not in str(e.value)


def test_places_that_are_no_store_are_named_for_what_they_are(tmp_path):
    (tmp_path / "file.nc").write_bytes(b"CDF")
    (tmp_path / "empty").mkdir()
    for place, pattern in (
        ("file.nc", "is a file, not a zarr"),
        ("empty", "no zarr is in this folder"),
        ("nowhere", "there is no such archive"),
    ):
        with pytest.raises(UserError, match=pattern):
            foreign.open_store(str(tmp_path / place))
