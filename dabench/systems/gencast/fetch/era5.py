"""Frames of ERA5 from WeatherBench 2's archive, or any zarr in its layout.

GenCast specification, section 7.4: latitude is turned round, every k-th point is picked in both
directions (no averaging), precipitation is that of the 12 hours before, values stay float32.
"""

import time as clock
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import xarray as xr
import zarr
from rich.console import Console

from dabench.core import zarr_layout
from dabench.core.errors import UserError
from dabench.core.zarr_layout import EmptyArray
from dabench.scenario.validate import suggest
from dabench.systems.gencast import channels, frames
from dabench.systems.gencast.fetch import cache, progress
from dabench.systems.gencast.fetch.download import reach
from dabench.systems.gencast.frames import CHANGING, PRECIPITATION, STATIC, Frames, Store, Time

ARCHIVE = (
    "gs://weatherbench2/datasets/era5/1959-2023_01_10-wb13-6h-1440x721_with_derived_variables.zarr"
)
ATTEMPTS = 4  # to read a frame
PAUSE = 2.0  # seconds before the second attempt; doubled for each further one
READERS = 4  # variables of a frame that are read at once
POLE_SPREAD = 0.1  # of temperature along the poles over that along the next rows, at most
TIMEOUT = 60  # seconds without a byte until a connection counts as stalled
PARTS = {"total_precipitation_6hr": 6, "total_precipitation": 1}  # hours that each sums up


class Request(NamedTuple):
    """Which frames: times in ascending order, degrees, hPa."""

    times: tuple[Time, ...]
    resolution: float
    levels: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the store that the frames go to."""
        import hashlib

        content = repr((list(map(str, self.times)), self.levels)).encode()
        short = hashlib.sha256(content).hexdigest()[:8]
        return f"era5_{self.times[0]}_{len(self.times)}x{self.resolution:g}deg_{short}.zarr"

    @property
    def bytes(self) -> int:
        """Bytes of all frames as they are stored, before compression."""
        points = (round(180 / self.resolution) + 1) * round(360 / self.resolution)
        fields = 6 * len(self.levels) + len(CHANGING) - 6
        return 4 * points * fields * len(self.times)


def fetch(
    request: Request,
    *,
    source: str | None = None,
    dest: str | Path | None = None,
    dry_run: bool = False,
    console: Console | None = None,
) -> Path:
    """A local store of the frames asked for; what other stores hold is not fetched again.

    A fetch that is stopped goes on, frame by frame, when it is asked for again.

    Arguments:
        source: URL or path of a zarr in place of WeatherBench 2's.
        dest: Folder in place of the cache.
        dry_run: Whether only to say what would be fetched, and how much.
    """
    console = console or Console(stderr=True)
    home = cache.era5(dest)
    here = Frames([home], request.resolution, request.levels)
    for store in here.stores:
        if set(request.times) <= set(store.times):
            progress.line(console, f"there     {store.path} ({len(request.times)} frames of it)")
            return store.path
    target, missing = home / request.name, here.missing(request.times)
    archive = RemoteArchive(source or ARCHIVE, request)
    archive.check(missing)
    coming = progress.size(archive.frame_bytes * len(missing))
    stored = progress.size(request.bytes)
    text = f"{len(missing)} of {len(request.times)} frames, at most {coming} to be read"
    if dry_run:
        progress.line(console, f"would get {target}: {text}, {stored} on disk (uncompressed)")
        return target
    progress.line(console, f"fetching  {text}, from {archive.place}")
    _write(request, archive, here, target, console)
    progress.line(console, f"fetched   {target} ({len(request.times)} frames)")
    return target


def _write(
    request: Request, archive: "RemoteArchive", here: Frames, target: Path, console: Console
) -> None:
    """Write frame by frame into a part, which then becomes the store."""
    part = target.with_name(f".part.{target.name}")
    if not (part / "zarr.json").exists():
        _lay_out(part, request, archive)
    group = zarr.open_group(part, mode="r+")
    done: dict[str, Any] = {**cast(Any, group.attrs["sha256"])}
    with progress.counting("frames", console) as advance:
        for i, time in enumerate(request.times):
            if str(time) not in done:
                local = time in here.of_time
                frame = here.frame(time) if local else archive.frame(time)
                for name in CHANGING:
                    levels = {"level": list(request.levels)} if "level" in frame[name].dims else {}
                    values = frame[name].sel(levels).values
                    zarr_layout.write(part, name, (0, i), values[0, 0])
                stored = Store(part).frame(time)
                done[str(time)] = frames.digest(stored, CHANGING)
                group.update_attributes({"sha256": done})
            advance(i + 1, len(request.times))
    part.rename(target)


def _lay_out(part: Path, request: Request, archive: "RemoteArchive") -> None:
    """All arrays of a store without their frames, and the statics."""
    static, times = archive.static(), np.array(request.times, "M8[ns]")
    coords = {
        "time": times - times[0],
        "datetime": (("batch", "time"), times[None]),
        "level": np.array(request.levels, "int32"),
        "lat": static["lat"],
        "lon": static["lon"],
    }
    attrs = {
        "schema": frames.SCHEMA,
        "source": archive.place,
        "sha256": {"static": frames.digest(static, STATIC)},
    }
    lat, lon = static["land_sea_mask"].shape
    arrays = {}
    for name in CHANGING:
        level = {"level": len(request.levels)} if name in channels.ATMOSPHERIC else {}
        arrays[name] = EmptyArray(
            sizes={"batch": 1, "time": len(times), **level, "lat": lat, "lon": lon},
            chunks={"time": 1},
            dtype="float32",
            fill_value=np.nan,
            attributes={"units": channels.UNITS[name], "coordinates": "datetime"},
        )
    zarr_layout.lay_out(part, xr.Dataset(dict(static.data_vars), coords, attrs), arrays)


class RemoteArchive:
    """A zarr elsewhere, (time, [level,] latitude, longitude), latitude in either order.

    UserError if it cannot be opened.

    Arguments:
        place: Path or URL.
        request: The frames to be read from it.
    """

    def __init__(self, place: str, request: Request):
        self.place, self.request = place, request
        self.data = open_zarr(place)
        for name in ("time", "latitude", "longitude", "level"):
            if name not in self.data.coords:
                raise UserError(f"{place}: has no coordinate {name}, as WeatherBench 2's have")
        self.times = self.data["time"].values.astype("M8[h]")
        self.every = self._every()

    def _every(self) -> int:
        """n of picking every n-th point each way; UserError if the grids do not fit."""
        lat, lon = np.sort(self.data["latitude"].values), self.data["longitude"].values
        spacing = 180 / (len(lat) - 1)
        every = round(self.request.resolution / spacing)
        poles = np.allclose(lat, np.linspace(-90, 90, len(lat)), atol=1e-3)
        around = np.allclose(lon, np.arange(len(lon)) * spacing, atol=1e-3)
        if not (poles and around and len(lon) == 2 * (len(lat) - 1)):
            raise UserError(
                f"{self.place}: its grid {len(lon)} x {len(lat)} is not regular with both poles; "
                "regridded archives do not suit GenCast, the 1440x721 ones do"
            )
        if every < 1 or abs(every * spacing - self.request.resolution) > 1e-6:
            raise UserError(
                f"{self.place}: its grid of {spacing:g} degrees does not hold one of "
                f"{self.request.resolution:g} degrees"
            )
        return every

    def check(self, times: Sequence[Time]) -> None:
        """UserError, all at once, of what the archive does not have."""
        own_times, there = set(self.times), set(map(str, self.data.data_vars))
        problems = []
        for name in (*CHANGING, *STATIC):
            instead = set(PARTS) & there if name == PRECIPITATION else ()
            if name not in there and not instead:
                problems.append(f"variable {name} is missing; {suggest(name, there)}")
        if levels := set(self.request.levels) - set(self.data["level"].values):
            problems.append(f"levels {sorted(map(int, levels))} hPa are missing")
        if absent := [time for time in times if time not in own_times]:
            outside = absent[0] < self.times[0] or absent[-1] > self.times[-1]
            problems.append(
                f"{len(absent)} of {len(times)} times are "
                + ("outside the archive, " if outside else "missing, ")
                + f"from {absent[0]} to {absent[-1]}; it holds {self.times[0]} to {self.times[-1]}"
            )
        if problems:
            raise UserError("\n  ".join([f"{self.place}:", *problems]))

    @property
    def frame_bytes(self) -> int:
        """Bytes to be read for one frame at most: whole chunks, before compression."""
        return sum(
            int(np.prod([c[0] for c in _chunks(self.data[name])])) * 4
            for name in CHANGING
            if name in self.data
        )

    def static(self) -> xr.Dataset:
        """The fields that do not change, with lat and lon."""
        fields = {name: self._picked(self.data[name]) for name in STATIC}
        return xr.Dataset(fields).drop_vars(["time", "level"], errors="ignore")

    def frame(self, time: Time) -> xr.Dataset:
        """All variables at one time, (batch, time, [level,] lat, lon).

        UserError, after some attempts, if they cannot be read or hold NaN where they must not.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with ThreadPoolExecutor(READERS) as pool:
                    read = pool.map(lambda name: self._variable(name, time), CHANGING)
                    frame = xr.Dataset(dict(zip(CHANGING, read, strict=True)))
                where = f"{self.place}: frame {time}"
                frames.require_complete(frame, where)
                require_points(frame, where)
                return frame
            except Exception as e:  # whatever the libraries between here and the archive raise
                if attempt == ATTEMPTS:
                    if isinstance(e, UserError):
                        raise
                    raise UserError(
                        f"{self.place}: frame {time} cannot be read, {ATTEMPTS} times in a row "
                        f"({type(e).__name__}: {e}). Frames before it are kept; go on later"
                    ) from None
                clock.sleep(PAUSE * 2 ** (attempt - 1))
        raise AssertionError

    def _variable(self, name: str, time: Time) -> xr.DataArray:
        if name == PRECIPITATION and name not in self.data:
            array = self._precipitation(time)
        else:
            array = self.data[name].sel(time=time)
        if "level" in array.dims:
            array = array.sel(level=list(self.request.levels))
        array = self._picked(array).drop_vars("time", errors="ignore")
        return array.expand_dims(("batch", "time"))

    def _precipitation(self, time: Time) -> xr.DataArray:
        """The sum over the 12 hours that end at a time."""
        name = next(n for n in PARTS if n in self.data)
        hours = PARTS[name]
        ends = [time - np.timedelta64(h, "h") for h in range(0, 12, hours)]
        if missing := [end for end in ends if end not in set(self.times)]:
            raise UserError(f"{self.place}: {name} is missing at {missing[-1]}")
        return self.data[name].sel(time=ends).sum("time", skipna=False)

    def _picked(self, array: xr.DataArray) -> xr.DataArray:
        """On the grid asked for, latitude ascending, in memory."""
        array = array.rename(latitude="lat", longitude="lon").transpose(..., "lat", "lon")
        array = array.load().sortby("lat").isel(
            lat=slice(None, None, self.every), lon=slice(None, None, self.every)
        )  # fmt: skip
        degrees = {c: array[c].astype("float32") for c in ("lat", "lon")}
        return array.astype("float32").assign_coords(degrees)


def require_points(frame: xr.Dataset, where: str) -> None:
    """UserError for a frame of cell averages, or without any sea-surface temperature.

    At a pole all longitudes are one point: values picked there are equal, while averages over the
    cells that meet there differ, by about a third of what values differ by on the next row.
    """
    if frame[channels.SST].isnull().all():
        raise UserError(f"{where}: {channels.SST} is missing everywhere; GenCast reads it")
    spread = frame["temperature"].astype("float64").std("lon").mean(("batch", "time", "level"))
    poles, next_rows = spread.isel(lat=[0, -1]).sum(), spread.isel(lat=[1, -2]).sum()
    if poles > POLE_SPREAD * next_rows:
        raise UserError(
            f"{where}: its temperature differs along the poles, as averages over cells do: the "
            "archive was regridded conservatively, and GenCast reads values at points; the "
            "1440x721 archives hold these"
        )


def open_zarr(place: str) -> xr.Dataset:
    """A zarr at a path or URL, without credentials; UserError if that fails."""
    remote = "://" in place and not place.startswith("file://")
    options: dict[str, Any] = {}
    if place.startswith("gs://"):
        options = {"token": "anon"}
        reach(place)  # gcsfs tries for minutes
    elif remote:
        options = {"client_kwargs": {"timeout": _timeout()}}
    elif not Path(place).exists():
        raise UserError(f"{place}: there is no such archive")
    try:
        with warnings.catch_warnings():  # a store may be without consolidated metadata
            warnings.filterwarnings("ignore", "Failed to open Zarr store with consolidated")
            return xr.open_zarr(place, chunks=None, storage_options=options or None)
    except ImportError as e:
        raise UserError(
            f"{place}: {e}. Reading archives from the network needs: pip install 'dabench[era5]'"
        ) from None
    except Exception as e:  # whatever the libraries between here and the archive raise
        reason = f"{type(e).__name__}: {e}".splitlines()[0][:200]
        advice = (
            "Is there a network, and is the address right? --from PATH takes a local copy"
            if remote
            else "Is it whole, and is `xarray.open_zarr` able to open it?"
        )
        raise UserError(f"{place}: cannot be opened as a zarr ({reason}). {advice}") from None


def _timeout() -> Any:
    import aiohttp

    return aiohttp.ClientTimeout(sock_connect=TIMEOUT, sock_read=TIMEOUT)


def _chunks(array: xr.DataArray) -> list[tuple[int, ...]]:
    return [(n,) for n in array.encoding.get("chunks") or array.shape]
