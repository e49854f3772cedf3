"""A run as a store that WeatherBench 2's evaluation reads (zarr format 2, consolidated).

    forecast.zarr   (time, number, prediction_timedelta, [level,] latitude, longitude) float32
    truth.zarr      (time, [level,] latitude, longitude) at the valid times

`time` is that of the analysis; lead 0 h is the analysis, lead 12 h (one cycle) the background of
the next. Where the truth has no value (the sea-surface temperature of land) there is none.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from dabench.core.errors import UserError
from dabench.runs.archive import read

HOUR = 3600
MEMBERS_A_CHUNK = 16
Background = Callable[[int], xr.Dataset]
"""Members one cycle after a cycle: (member, [level,] latitude, longitude)."""


def export(
    run: str | Path, out: str | Path, background: Background | None = None, lead_seconds: float = 0
) -> Path:
    """Write the stores of a run into a new folder, and return the forecast store.

    Arguments:
        background: Forecasts from each cycle, for the second lead; none: the analysis alone.
        lead_seconds: The second lead.
    Raises: UserError where the run has no members, no globe, or `out` exists.
    """
    tree, out = read.open_run(run), Path(out)
    _check(tree, run, out)
    truth, members = tree["truth"].to_dataset(), tree["members"].to_dataset()
    leads = [0, *([lead_seconds / HOUR] if background else [])]
    part = out.with_name(f".part.{out.name}")
    coords = _coordinates(truth)
    number = {"number": np.arange(members.sizes["member"])}
    store = part / "forecast.zarr"
    _lay_out(store, members, coords | number | {"prediction_timedelta": _hours(leads)}, tree.attrs)
    _lay_out(part / "truth.zarr", truth, coords, tree.attrs)
    for k in range(truth.sizes["cycle"]):
        true = truth.isel(cycle=k).load()
        _write(part / "truth.zarr", true, (k,))
        _write(store, _masked(members.isel(cycle=k), true), (k, slice(None), 0))
        if background:
            _write(store, _masked(background(k), true), (k, slice(None), 1))
    for each in (store, part / "truth.zarr"):
        zarr.consolidate_metadata(str(each), zarr_format=2)
    part.rename(out)
    return out / "forecast.zarr"


def _check(tree: xr.DataTree, run: str | Path, out: Path) -> None:
    if "members" not in tree:
        raise UserError(f"{run}: holds no members; run it with --store-members")
    if "latitude" not in tree["truth"].dims:
        raise UserError(f"{run}: WeatherBench 2 knows latitude and longitude alone")
    if out.exists():
        raise UserError(f"{out}: is there already; give another folder with --out")


def _coordinates(truth: xr.Dataset) -> dict[str, Any]:
    coords = {c: truth[c].values.astype("float32") for c in ("latitude", "longitude")}
    if "level" in truth.coords:
        coords["level"] = truth["level"].values.astype("int32")
    return {"time": valid_times(truth), **coords}


def valid_times(group: xr.Dataset) -> np.ndarray:
    """Of every cycle as dates; model time counts from 1970."""
    time = group["time"].values
    if time.dtype.kind != "M":
        time = np.round(time * 1e9).astype("int64").astype("M8[ns]")
    return time.astype("M8[ns]")


def _hours(leads: Iterable[float]) -> xr.Variable:
    """As WeatherBench 2 stores them: whole hours that say what they are."""
    values = np.array([round(lead) for lead in leads], "int64")
    attrs = {"units": "hours", "dtype": "timedelta64[ns]"}
    return xr.Variable("prediction_timedelta", values, attrs)


def _lay_out(store: Path, like: xr.Dataset, coords: dict[str, Any], attrs: Any) -> None:
    """Coordinates, and arrays without values: whole maps a chunk, one time, one lead."""
    hours = {"units": "hours since 1900-01-01", "dtype": "int64"}
    about = {"source": "dabench", "method": attrs["method"], "scenario": attrs["scenario"]["name"]}
    empty = xr.Dataset(coords=coords, attrs=about)
    empty.to_zarr(store, mode="w", zarr_format=2, consolidated=False, encoding={"time": hours})
    group = zarr.open_group(store, mode="r+", zarr_format=2)
    outer = [d for d in ("time", "number", "prediction_timedelta") if d in coords]
    for name, variable in like.data_vars.items():
        inner = [str(d) for d in variable.dims if d not in ("cycle", "member")]
        sizes = {d: len(coords[d]) for d in outer} | {d: like.sizes[d] for d in inner}
        chunks = sizes | dict.fromkeys(outer, 1)
        if "number" in sizes:
            chunks["number"] = min(MEMBERS_A_CHUNK, sizes["number"])
        group.create_array(
            str(name),
            shape=tuple(sizes.values()),
            chunks=tuple(chunks.values()),
            dtype="float32",
            fill_value=np.nan,
            attributes={
                "_ARRAY_DIMENSIONS": list(sizes),
                "units": variable.attrs.get("units", "1"),
            },
        )


def _masked(members: xr.Dataset, truth: xr.Dataset) -> xr.Dataset:
    return members.where(truth.notnull())


def _write(store: Path, values: xr.Dataset, at: Sequence[int | slice]) -> None:
    for name, variable in values.data_vars.items():
        ordered = variable.transpose("member", ...) if "member" in variable.dims else variable
        array = zarr.open_array(store, path=str(name), mode="r+")
        array[tuple(at)] = ordered.values.astype("float32")
