"""Frames of ERA5 on the local disk, in the layout of the official example batches.

A store is a zarr that `dabench fetch era5` made, or an official example batch (netCDF):
(batch = 1, time, [level,] lat, lon) float32, statics (lat, lon), `datetime` (batch, time), sea
surface temperature NaN over land. A zarr of ours holds one frame a chunk and in its attributes the
sha256 of every frame, which is compared whenever the frame is read.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float

from dabench.core.errors import UserError
from dabench.systems.gencast import batches, channels
from dabench.systems.gencast.checkpoint import TaskConfig

SCHEMA = 1
STEP = np.timedelta64(channels.FRAME_HOURS, "h")
PRECIPITATION = "total_precipitation_12hr"
CHANGING = tuple(sorted(channels.UNITS))  # variables of a frame
STATIC = tuple(sorted(channels.STATIC))
MAY_BE_MISSING = (channels.SST, PRECIPITATION)  # over land, and at the start of the archive

Time = np.datetime64


def parse(text: str) -> Time:
    """ISO time, UTC unless it says otherwise, in whole hours; UserError if it is not."""
    from datetime import UTC, datetime

    try:
        time = datetime.fromisoformat(text)
    except ValueError as e:
        raise UserError(
            f"period.start: {text!r} is no ISO time like 2019-01-01T00:00 ({e})"
        ) from None
    time = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    if (time.minute, time.second, time.microsecond) != (0, 0, 0) or time.hour % 6:
        raise UserError(f"period.start: {text} is not at 00, 06, 12 or 18 UTC, as frames are")
    return Time(time, "h")


def of_run(start: Time, cycles: int) -> list[Time]:
    """Frames of a truth: 12 hours before the start to the last cycle."""
    return [start + (k - 1) * STEP for k in range(cycles + 2)]


def of_climate(start: Time, draws: int) -> list[Time]:
    """Frames of climate states, two each: the same hour of the year in the years before."""
    year, rest = start.astype("M8[Y]"), start - start.astype("M8[Y]").astype("M8[h]")
    starts = [(year - i).astype("M8[h]") + rest for i in range(1, draws + 1)]
    return [s + k * STEP for s in starts for k in (-1, 0)]


@dataclass(frozen=True, eq=False)
class Store:
    """One file of frames."""

    path: Path

    @cached_property
    def data(self) -> xr.Dataset:
        """The file, opened without reading its values."""
        if self.path.suffix == ".zarr":
            return xr.open_zarr(self.path, consolidated=False, chunks=None)
        return xr.open_dataset(self.path)

    @cached_property
    def times(self) -> list[Time]:
        """Valid times of the frames."""
        return [Time(t, "h") for t in self.data["datetime"].values.ravel()]

    @property
    def digests(self) -> dict[str, str]:
        """sha256 of frames by time, and of `static`; none in official batches."""
        return self.data.attrs.get("sha256", {})

    def fits(self, resolution: float, levels: Iterable[int]) -> bool:
        """Whether it holds a grid and at least these levels."""
        lat = self.data["lat"].values
        own_levels = self.data["level"].values if "level" in self.data else ()
        return len(lat) == round(180 / resolution) + 1 and set(levels) <= set(own_levels)

    def frame(self, time: Time) -> xr.Dataset:
        """One time of all variables, and the statics, in memory; UserError if it is damaged."""
        where = f"{self.path}: frame {time}"
        try:
            frame = self.data.isel(time=[self.times.index(time)]).load()
        except (OSError, ValueError, RuntimeError) as e:
            raise UserError(f"{where} cannot be read ({e}); fetch it again") from None
        for key, names in ((str(time), CHANGING), ("static", STATIC)):
            if key in self.digests and digest(frame, names) != self.digests[key]:
                what = where if key != "static" else f"{self.path}: statics"
                raise UserError(f"{what}: does not have the checksum it was stored with; "
                                f"remove {self.path} and fetch it again")  # fmt: skip
        require_complete(frame, where)
        return frame


def require_complete(frame: xr.Dataset, where: str) -> None:
    """UserError where a variable other than `MAY_BE_MISSING` lacks a value."""
    for name, values in frame.data_vars.items():
        if name not in MAY_BE_MISSING and (n := int(np.isnan(values.values).sum())):
            raise UserError(f"{where}: {name} has {n} missing values; fetch it again")


def digest(frame: xr.Dataset, names: Sequence[str]) -> str:
    """sha256 of the named variables of one frame."""
    content = hashlib.sha256()
    for name in names:
        if name in frame:
            content.update(name.encode())
            content.update(np.ascontiguousarray(frame[name].values, "<f4").tobytes())
    return content.hexdigest()


def _files(place: Path) -> list[Path]:
    """The stores at a place: itself, or those of a folder."""
    if place.suffix in (".zarr", ".nc"):
        return [place]
    return sorted((*place.glob("[!.]*.zarr"), *place.glob("[!.]*.nc")))


class Frames:
    """All frames on one grid in stores and folders of stores.

    Arguments:
        places: Stores, or folders of stores; of two frames of one time the first is taken.
        resolution: Grid spacing in degrees.
        levels: Pressure levels in hPa; stores may have more.
    """

    def __init__(self, places: Sequence[Path], resolution: float, levels: Sequence[int]):
        self.places, self.resolution = places, resolution
        stores = [Store(path) for place in places for path in _files(place) if path.exists()]
        self.stores = [s for s in stores if s.fits(resolution, levels)]
        self.of_time = {time: store for store in self.stores[::-1] for time in store.times}

    def missing(self, times: Iterable[Time]) -> list[Time]:
        """The times of which there is no frame."""
        return [time for time in times if time not in self.of_time]

    def require(self, times: Sequence[Time], advice: str) -> None:
        """UserError if a frame is missing."""
        if missing := self.missing(times):
            places = " or ".join(map(str, self.places))
            raise UserError(
                f"{len(missing)} of {len(times)} frames of ERA5 at {self.resolution:g} degrees are "
                f"not in {places}, from {missing[0]} to {missing[-1]}: {advice}"
            )

    def frame(self, time: Time) -> xr.Dataset:
        """All variables at one time, as `Store.frame` reads them."""
        return self.of_time[time].frame(time)

    def digest(self, times: Iterable[Time]) -> str:
        """Digest of the content of frames and statics."""
        content = hashlib.sha256()
        for time in times:
            store = self.of_time[time]
            digests = [store.digests.get(key) for key in (str(time), "static")]
            if None in digests:
                frame = store.frame(time)
                digests = [digest(frame, names) for names in (CHANGING, STATIC)]
            content.update("".join(map(str, digests)).encode())
        return content.hexdigest()

    def values(
        self, times: Sequence[Time], task: TaskConfig
    ) -> Float[np.ndarray, "time channel point"]:
        """Target variables at each time, as states have them; NaN where there is no value."""
        return np.stack([batches.frame(self.frame(time), task, 0) for time in times])
