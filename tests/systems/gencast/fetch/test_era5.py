"""Frames of a miniature archive, value by value."""

import io

import numpy as np
import pytest
import xarray as xr
import zarr
from mirror import START, archive, write
from rich.console import Console

from dabench.core.errors import UserError
from dabench.systems.gencast.fetch import era5
from dabench.systems.gencast.frames import (
    CHANGING,
    STATIC,
    Frames,
    Store,
    of_climate,
    of_run,
    parse,
)

LEVELS = (300, 500, 850)
REQUEST = era5.Request(tuple(of_run(START, 3)), 10.0, LEVELS)


@pytest.fixture(scope="module")
def source():
    return archive()


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=500)


@pytest.fixture
def fetch(tmp_path, console, monkeypatch):
    monkeypatch.setattr(era5, "PAUSE", 0.0)

    def fetch(source, request=REQUEST, **options):
        place = source if isinstance(source, str) else str(write(source, tmp_path / "archive.zarr"))
        return era5.fetch(
            request, source=place, dest=tmp_path / "cache", console=console, **options
        )

    return fetch


def expected(source, name, time):
    """By index arithmetic alone: every second point, the south first."""
    i = int((time - source["time"].values[0].astype("M8[h]")) / np.timedelta64(6, "h"))
    values = source[name].values
    values = values[i] if "time" in source[name].dims else values
    values = values[[1, 2, 3]] if "level" in source[name].dims else values
    return values[..., ::-1, :][..., ::2, ::2]


def check(path, source):
    with xr.open_zarr(path, chunks=None, consolidated=False) as found:
        assert found.sizes == {"batch": 1, "time": 5, "level": 3, "lat": 19, "lon": 36}
        assert list(found["lat"].values) == list(range(-90, 91, 10))
        assert list(found["lon"].values) == list(range(0, 360, 10))
        np.testing.assert_array_equal(found["time"], 12 * np.arange(5).astype("m8[h]"))
        np.testing.assert_array_equal(found["datetime"], np.array([REQUEST.times]))
        for name in STATIC:
            assert found[name].dtype == np.float32
            np.testing.assert_array_equal(found[name], expected(source, name, START))
        for name in CHANGING:
            assert found[name].dtype == np.float32
            assert found[name].encoding["chunks"][:2] == (1, 1)
            assert found[name].dims[:2] == ("batch", "time")
            for i, time in enumerate(REQUEST.times):
                np.testing.assert_array_equal(
                    found[name].values[0, i], expected(source, name, time), err_msg=name
                )


def test_frames_are_the_archives_values_point_by_point(fetch, source):
    path = fetch(source)
    check(path, source)
    sst = Store(path).data["sea_surface_temperature"].values[0, 0]
    assert 0 < np.isnan(sst).sum() < sst.size


def test_the_order_of_longitude_and_latitude_does_not_matter(fetch, source):
    check(fetch(source.transpose(..., "longitude", "latitude")), source)


def test_frames_come_over_http(fetch, source, bucket):
    pytest.importorskip("aiohttp")
    write(source, bucket.root / "mini.zarr")
    check(fetch(f"{bucket.url}/mini.zarr"), source)


def test_precipitation_is_summed_where_it_has_to_be(fetch, source):
    store = Store(fetch(source.drop_vars("total_precipitation_12hr")))
    for i, time in enumerate(REQUEST.times):
        parts = [
            expected(source, "total_precipitation_6hr", time - np.timedelta64(h, "h"))
            for h in (0, 6)
        ]
        found = store.data["total_precipitation_12hr"].values[0, i]
        np.testing.assert_allclose(found, sum(parts), rtol=1e-6)


def test_a_request_is_fetched_once_and_its_frames_are_used_again(fetch, source, console):
    path = fetch(source)
    assert fetch(source, REQUEST._replace(times=REQUEST.times[1:3])) == path
    assert console.file.getvalue().count("there     ") == 1
    longer = fetch(source, REQUEST._replace(times=tuple(of_run(START, 4))))
    assert "1 of 6 frames" in console.file.getvalue()
    np.testing.assert_array_equal(
        Store(longer).data["temperature"][0, :5], Store(path).data["temperature"][0]
    )


def test_a_fetch_that_was_stopped_goes_on_with_the_next_frame(fetch, source, monkeypatch):
    asked = []
    read = era5.RemoteArchive.frame

    def failing(self, time):
        asked.append(time)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return read(self, time)

    monkeypatch.setattr(era5.RemoteArchive, "frame", failing)
    with pytest.raises(KeyboardInterrupt):
        fetch(source)
    check(fetch(source), source)
    assert asked == [*REQUEST.times[:3], *REQUEST.times[2:]]


def test_a_dry_run_tells_what_would_be_read(fetch, source, tmp_path, console):
    assert not fetch(source, dry_run=True).exists()
    full = 4 * 37 * 72 * (6 * 4 + 6) * 5 / 2**20
    assert f"5 of 5 frames, at most {full:.3g} MiB" in console.file.getvalue()


def refused(fetch, source, pattern, **options):
    with pytest.raises(UserError, match=pattern):
        fetch(source, **options)


def test_what_is_missing_is_all_named_at_once(fetch, source):
    lacking = source.drop_vars("vertical_velocity").sel(level=[500, 850])
    refused(fetch, lacking, r"(?s)vertical_velocity is missing.*levels \[300\] hPa are missing")


def test_times_outside_of_the_archive_are_refused(fetch, source):
    late = REQUEST._replace(times=tuple(of_run(parse("2019-01-03T00:00"), 3)))
    pattern = "of 5 times are outside the archive.*it holds 2018-12-30T00 to 2019-01-03T18"
    refused(fetch, source, pattern, request=late)
    gap = source.drop_sel(time=np.datetime64("2019-01-01T12", "ns"))
    refused(fetch, gap, "1 of 5 times are missing, from 2019-01-01T12")


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (lambda d: d.isel(latitude=slice(1, None, 2)), "not regular with both poles"),
        (lambda d: d.isel(latitude=slice(None, None, 4), longitude=slice(None, None, 4)), "hold"),
        (lambda d: d.rename(latitude="y"), "no coordinate latitude"),
    ],
)
def test_other_grids_are_refused(change, pattern, fetch, source):
    refused(fetch, change(source), pattern)


def test_holes_in_the_archive_are_refused(fetch, source):
    holed = source.copy(deep=True)
    holed["temperature"].values[8, 1, 4, 4] = np.nan
    refused(fetch, holed, "frame 2019-01-01T00: temperature has 1 missing values")


def test_no_archive_is_a_users_mistake(fetch, bucket, tmp_path):
    refused(fetch, str(tmp_path / "none.zarr"), "there is no such archive")
    pytest.importorskip("aiohttp")
    refused(fetch, f"{bucket.url}/none.zarr", "cannot be opened as a zarr")


def test_a_damaged_frame_is_named(fetch, source):
    path = fetch(source)
    array = zarr.open_array(path, path="temperature", mode="r+")
    array[0, 2, 0, 0, 0] += 1
    frames = Frames([path], 10.0, LEVELS)
    frames.frame(REQUEST.times[1])
    with pytest.raises(UserError, match="frame 2019-01-01T12: does not have the checksum"):
        frames.frame(REQUEST.times[2])
    chunk = path / "temperature" / "c" / "0" / "3" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:50])
    with pytest.raises(UserError, match="frame 2019-01-02T00"):
        frames.frame(REQUEST.times[3])


def test_times_of_a_run_and_of_its_climate():
    assert list(map(str, of_run(parse("2019-01-01T00:00"), 1))) == [
        "2018-12-31T12", "2019-01-01T00", "2019-01-01T12"]  # fmt: skip
    assert list(map(str, of_climate(parse("2019-03-01T02:00+02:00"), 2))) == [
        "2018-02-28T12", "2018-03-01T00", "2017-02-28T12", "2017-03-01T00"]  # fmt: skip
    with pytest.raises(UserError, match="not at 00, 06, 12 or 18 UTC"):
        parse("2019-01-01T03:00")


def smooth(lat, lon):
    """A field of the place in space, which no pole or longitude is special for."""
    phi, lam = np.deg2rad(lat)[:, None], np.deg2rad(lon)[None]
    x, y, z = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi) * np.ones_like(lam)
    return 250 + 30 * z + 9 * np.sin(2 * x + y) + 7 * np.cos(3 * y - z)


def frame_of(values, sst=280.0):
    dims = ("batch", "time", "level", "lat", "lon")
    sst = np.full(values.shape, sst)
    return xr.Dataset(
        {
            "temperature": (dims, values[None, None, None].astype("float32")),
            "sea_surface_temperature": (("batch", "time", "lat", "lon"), sst[None, None]),
        }
    )


@pytest.mark.parametrize("spacing", [1.0, 5.0])
def test_averages_over_cells_are_told_from_values_at_points(spacing):
    lat, lon = np.arange(-90, 90 + spacing, spacing), np.arange(0, 360, spacing)
    era5.require_points(frame_of(smooth(lat, lon)), "here")
    parts = 8  # of a cell each way, whose values are averaged by area
    offsets = (np.arange(parts) + 0.5) / parts - 0.5
    fine_lat = (lat[:, None] + spacing * offsets).ravel()
    fine_lon = (lon[:, None] + spacing * offsets).ravel()
    area = np.where(abs(fine_lat) < 90, np.cos(np.deg2rad(fine_lat)), 0)[:, None]
    shape = (len(lat), parts, len(lon), parts)
    total = (smooth(fine_lat, fine_lon) * area).reshape(shape).sum((1, 3))
    cells = total / np.broadcast_to(area, (len(fine_lat), len(fine_lon))).reshape(shape).sum((1, 3))
    with pytest.raises(UserError, match="here: its temperature differs along the poles"):
        era5.require_points(frame_of(cells), "here")


def test_a_frame_without_any_sea_surface_temperature_is_refused():
    values = smooth(np.arange(-90, 91, 10.0), np.arange(0, 360, 10.0))
    with pytest.raises(UserError, match="sea_surface_temperature is missing everywhere"):
        era5.require_points(frame_of(values, sst=np.nan), "here")
