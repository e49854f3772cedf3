"""A run as a store that WeatherBench 2's evaluation reads (zarr format 2, consolidated).

    forecast.zarr   (time, number, prediction_timedelta, [level,] latitude, longitude) float32
    truth.zarr      (time, [level,] latitude, longitude) at the valid times, and `land_sea_mask`

`time` is that of the analysis; lead 0 h is the analysis, lead 12 h (one cycle) the background of
the next. The truth goes on to the valid time of the last lead, where the system has one then. Where
the truth has no value (the sea-surface temperature on land) the members have none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
import zarr
from jaxtyping import Float, Shaped

from dabench.core import files, zarr_layout
from dabench.core.errors import UserError
from dabench.core.zarr_layout import EmptyArray
from dabench.runs.archive import read

HOUR = 3600
MEMBERS_A_CHUNK = 16
OUTER = ("time", "number", "prediction_timedelta")
"""Dimensions before those of a map, in order."""

LAND = "land_sea_mask"


class Forecasts(NamedTuple):
    """Forecasts over one cycle from every analysis of a run.

    Arguments:
        draw: Function from a cycle to its members one cycle later: (member, [level,] latitude,
            longitude).
        lead_seconds: Length of a cycle.
        truth_after: The truth one cycle after the last; None where the system ends before.
    """

    draw: Callable[[int], xr.Dataset]
    lead_seconds: float
    truth_after: xr.Dataset | None


def export(
    run: str | Path,
    out: str | Path,
    forecasts: Forecasts | None = None,
    land: Float[np.ndarray, "point"] | None = None,
) -> Path:
    """Write the stores of a run into a new folder, and return the forecast store.

    Arguments:
        run: Folder of the run.
        out: Folder that is made.
        forecasts: Forecasts for the second lead; None: the analysis alone.
        land: Share of land at every point, for regions of land; None where it is not known.
    Raises: UserError where the run has no members, no globe, or `out` exists.
    """
    tree, out = read.open_run(run), Path(out)
    _check(tree, run, out)
    with files.new_folder(out) as part:
        _write_truth(part / "truth.zarr", tree, forecasts, land)
        _write_forecast(part / "forecast.zarr", tree, forecasts)
    return out / "forecast.zarr"


def _write_truth(
    store: Path, tree: xr.DataTree, forecasts: Forecasts | None, land: np.ndarray | None
) -> None:
    truth = tree["truth"].to_dataset()
    coords, after = _coordinates(truth), forecasts.truth_after if forecasts else None
    if forecasts and after is not None:
        lead = np.timedelta64(round(forecasts.lead_seconds * 1e9), "ns")
        coords["time"] = np.append(coords["time"], coords["time"][-1] + lead)
    maps = {} if land is None else {LAND: _map(land, coords)}
    _lay_out(store, truth, coords, tree.attrs, maps)
    for k in range(truth.sizes["cycle"]):
        _write(store, truth.isel(cycle=k), (k,))
    if after is not None:
        _write(store, after, (truth.sizes["cycle"],))
    zarr.consolidate_metadata(str(store), zarr_format=2)


def _write_forecast(store: Path, tree: xr.DataTree, forecasts: Forecasts | None) -> None:
    truth, members = tree["truth"].to_dataset(), tree["members"].to_dataset()
    leads = [0, *([forecasts.lead_seconds / HOUR] if forecasts else [])]
    outer = {"number": np.arange(members.sizes["member"]), "prediction_timedelta": _hours(leads)}
    _lay_out(store, members, _coordinates(truth) | outer, tree.attrs)
    for k in range(truth.sizes["cycle"]):
        true = truth.isel(cycle=k).load()
        _write(store, _masked(members.isel(cycle=k), true), (k, slice(None), 0))
        if forecasts:
            _write(store, _masked(forecasts.draw(k), true), (k, slice(None), 1))
    zarr.consolidate_metadata(str(store), zarr_format=2)


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


def _map(values: np.ndarray, coords: dict[str, Any]) -> xr.DataArray:
    """A field that does not change with time."""
    dims = ("latitude", "longitude")
    shape = tuple(len(coords[d]) for d in dims)
    return xr.DataArray(values.reshape(shape).astype("float32"), dims=dims, attrs={"units": "1"})


def valid_times(group: xr.Dataset) -> Shaped[np.ndarray, "cycle"]:
    """Valid times of all cycles as dates; model time counts from 1970."""
    time = group["time"].values
    if time.dtype.kind != "M":
        time = np.round(time * 1e9).astype("int64").astype("M8[ns]")
    return time.astype("M8[ns]")


def _hours(leads: Iterable[float]) -> xr.Variable:
    """Leads as WeatherBench 2 stores them: whole hours, with attributes that say so."""
    values = np.array([round(lead) for lead in leads], "int64")
    attrs = {"units": "hours", "dtype": "timedelta64[ns]"}
    return xr.Variable("prediction_timedelta", values, attrs)


def _lay_out(
    store: Path,
    fields: xr.Dataset,
    coords: dict[str, Any],
    attrs: Any,
    maps: Mapping[str, xr.DataArray] | None = None,
) -> None:
    """Write coordinates, and create arrays without values: a chunk is whole maps of one time.

    Arguments:
        store: The store that is made.
        fields: Variables of the archive; their values are not written.
        coords: Coordinates of the store.
        attrs: Attributes of the archive.
        maps: Fields without time, written with their values.
    """
    hours = {"units": "hours since 1900-01-01", "dtype": "int64"}
    about = {"source": "dabench", "method": attrs["method"], "scenario": attrs["scenario"]["name"]}
    outer = {dim: len(coords[dim]) for dim in OUTER if dim in coords}
    chunks = dict.fromkeys(outer, 1)
    if "number" in outer:
        chunks["number"] = min(MEMBERS_A_CHUNK, outer["number"])
    arrays = {
        str(name): EmptyArray(
            sizes=outer | {str(d): n for d, n in v.sizes.items() if d not in ("cycle", "member")},
            chunks=chunks,
            dtype="float32",
            fill_value=np.nan,
            attributes={"units": v.attrs.get("units", "1")},
        )
        for name, v in fields.data_vars.items()
    }
    empty = xr.Dataset(maps, coords, about)
    zarr_layout.lay_out(store, empty, arrays, zarr_format=2, encoding={"time": hours})


def _masked(members: xr.Dataset, truth: xr.Dataset) -> xr.Dataset:
    return members.where(truth.notnull())


def _write(store: Path, values: xr.Dataset, index: Sequence[int | slice]) -> None:
    for name, variable in values.data_vars.items():
        ordered = variable.transpose("member", ...) if "member" in variable.dims else variable
        zarr_layout.write(store, str(name), tuple(index), ordered.values.astype("float32"))
