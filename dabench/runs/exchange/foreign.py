"""A store of someone else in our names, order and units, or refused with what was found."""

from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Shaped

from dabench.core.errors import UserError
from dabench.core.layout import Channel, Layout
from dabench.core.units import conversion
from dabench.systems.gencast.fetch.era5 import open_zarr

NAMES = {
    "time": ("time", "valid_time", "datetime"),
    "member": ("number", "realization", "sample", "member", "ensemble", "ens", "ensemble_member"),
    "lead": ("prediction_timedelta", "lead_time", "step"),
    "level": ("level", "pressure_level", "plev", "isobaricInhPa", "pressure"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
}
"""Our name of a dimension or coordinate, and the names that it may have in a store."""

PRESSURE = {"hPa": 1.0, "mbar": 1.0, "mb": 1.0, "millibars": 1.0, "Pa": 0.01}
STANDARD = ("standard", "gregorian", "proleptic_gregorian")
HOURS = {"hours": 1.0, "hour": 1.0, "h": 1.0, "days": 24.0, "minutes": 1 / 60, "seconds": 1 / 3600}
NEARLY = 1e-4  # relative difference of levels that are the same
DEGREES = 1e-3  # difference of places that are the same


class Refusal(Exception):
    """Raised inside for what is wrong with a store; its path is added where it is known."""


class Fields(NamedTuple):
    """What a store has of the channels of a scenario.

    Arguments:
        layout: Layout of the channels that are there.
        data: Variables in their units, dimensions time, member, [level,] latitude, longitude.
        notes: What was converted, and what is not there, a line each.
    """

    layout: Layout
    data: xr.Dataset
    notes: tuple[str, ...]


def open_store(place: str) -> xr.Dataset:
    """The content of a store at a path or URL; UserError where it cannot be read as one."""
    path = Path(place)
    if path.is_file():
        raise UserError(
            f"{place}: is a file, not a zarr; "
            "`xarray.open_dataset(FILE).to_zarr(STORE)` makes one of a netCDF file"
        )
    if path.is_dir() and not any((path / f).exists() for f in (".zgroup", "zarr.json")):
        raise UserError(f"{place}: no zarr is in this folder (no zarr.json, no .zgroup)")
    try:
        return open_zarr(place)
    except UserError:
        if calendar := _other_calendar(path):
            raise UserError(
                f"{place}: time: has the calendar {calendar}; dates of the standard calendar are "
                "needed"
            ) from None
        raise


def _other_calendar(path: Path) -> str | None:
    """The calendar of a local store's times, if it is one that needs cftime to be read."""
    with suppress(Exception):  # then it is something else that is wrong with the store
        raw = xr.open_zarr(path, chunks=None, decode_times=False)
        calendars = [str(v.attrs.get("calendar", STANDARD[0])) for v in raw.variables.values()]
        return next((name for name in calendars if name not in STANDARD), None)
    return None


def fields(data: xr.Dataset, layout: Layout, store: str) -> Fields:
    """The analyses of a store: lead 0 h alone, on the grid and in the units of a layout.

    Arguments:
        data: Content of the store.
        layout: Layout of the scenario's states.
        store: Path of the store, for messages.
    Raises: UserError where the store contradicts itself or the layout.
    """
    try:
        data = _analyses(_named(data))
        data = _on_grid(data, layout)
        channels = tuple(c for c in layout.channels if _has(data, c))
        if not channels:
            raise Refusal(
                f"has none of the scenario's variables; it has {_listed(map(str, data.data_vars))},"
                f" and {_listed(title(c) for c in layout.channels)} are needed"
            )
        converted, notes = _in_units(data, channels)
    except Refusal as e:
        raise UserError(f"{store}: {e}") from None
    absent = [title(c) for c in layout.channels if c not in channels]
    if absent:
        notes.append(f"not there: {_listed(absent)}")
    part = Layout(channels, layout.coords, dtype=layout.dtype, land=layout.land)
    return Fields(part, converted, tuple(notes))


def _named(data: xr.Dataset) -> xr.Dataset:
    """Dimensions and coordinates by our names; dimensions of one that mean nothing left out."""
    names: dict[Hashable, str] = {}
    present = {*data.dims, *data.coords}
    for ours, theirs in NAMES.items():
        alike = [name for name in theirs if name in present]
        if len(dims := [name for name in alike if name in data.dims]) == 1:
            alike = dims  # others are about it, as the valid times of all leads are
        if len(alike) > 1:
            raise Refusal(f"has {' and '.join(alike)}, which both could be the {ours}; leave one")
        names |= dict.fromkeys(alike, ours)
    data = data.drop_vars([n for n in data.coords if n not in names and n not in data.dims])
    hidden = [name for name in data.data_vars if name in NAMES]  # which would take our names
    data = data.drop_vars(hidden)
    data = data.rename({theirs: ours for theirs, ours in names.items() if theirs != ours})
    unknown = [d for d in data.dims if d not in NAMES]
    if long := [f"{d} ({data.sizes[d]})" for d in unknown if data.sizes[d] != 1]:
        raise Refusal(
            f"has the dimension {', '.join(long)}, whose meaning is not known here; leave one "
            f"entry of it, or name it {_listed(NAMES)}"
        )
    data = data.isel(dict.fromkeys(unknown, 0), drop=True)
    for name in ("latitude", "longitude", "time"):
        if name not in data.coords:
            raise Refusal(
                f"{name}: is not there; a coordinate {' or '.join(NAMES[name])} is needed, and "
                f"{_listed(map(str, data.coords)) or 'no coordinate'} is there"
            )
    for name in ("latitude", "longitude"):
        if name not in data.dims or not data.sizes[name]:
            raise Refusal(f"{name}: is no axis of values; fields on a global grid are needed")
    return data


def _analyses(data: xr.Dataset) -> xr.Dataset:
    """Lead 0 h, every time once, members as a dimension."""
    data = _lead_zero(data)
    data = data.expand_dims([name for name in ("time",) if name not in data.dims])
    times = data["time"].values
    if times.dtype.kind != "M":
        calendar = getattr(times.flat[0], "calendar", times.dtype) if times.size else times.dtype
        raise Refusal(
            f"time: {calendar}, not dates of the standard calendar; datetime64 is needed, or "
            "numbers with units such as 'hours since 2019-01-01'"
        )
    if missing := np.isnat(times).sum():
        raise Refusal(f"time: {missing} of {times.size} are missing; leave those fields out")
    values, counts = np.unique(times, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1]
        raise Refusal(f"time: {twice[0]} is there {counts.max()} times; leave one of each")
    if "member" not in data.dims:
        return data.drop_vars("member", errors="ignore").expand_dims("member")
    if not data.sizes["member"]:
        raise Refusal("member: the dimension has length 0; at least one member is needed")
    return data.drop_vars("member", errors="ignore")


def _lead_zero(data: xr.Dataset) -> xr.Dataset:
    if "lead" not in data.dims and "lead" not in data.coords:
        return data
    if "lead" not in data.coords:
        raise Refusal(
            f"lead: {data.sizes['lead']} leads without a coordinate; add one that says how long "
            "they are, or leave the analyses (0 h) alone"
        )
    hours = np.atleast_1d(_hours(data["lead"]))
    zero = np.flatnonzero(hours == 0)
    if not len(zero):
        raise Refusal(
            f"lead: there is no lead 0 h, which is the analysis; it has {_listed(hours)} h, and "
            "forecasts are not compared here"
        )
    if len(zero) > 1:
        raise Refusal(f"lead: 0 h is there {len(zero)} times; leave one of each")
    data = data.isel(lead=zero[0]) if "lead" in data.dims else data
    return data.drop_vars("lead")


def _hours(lead: xr.DataArray) -> np.ndarray:
    """Leads in hours, from time differences or from numbers with units (hours by default)."""
    if lead.dtype.kind == "m":
        return lead.values / np.timedelta64(1, "h")
    units = str(lead.attrs.get("units", "hours"))
    if units not in HOURS:
        raise Refusal(f"lead: its units {units!r} are not known; {_listed(HOURS)} are")
    return _numbers(lead) * HOURS[units]


def _numbers(coordinate: xr.DataArray) -> np.ndarray:
    """The values of a coordinate as numbers; Refusal where they are none."""
    try:
        return coordinate.values.astype(float)
    except (TypeError, ValueError):
        words = _listed(np.atleast_1d(coordinate.values))
        raise Refusal(f"{coordinate.name}: {words} are no numbers; numbers are needed") from None


def _on_grid(data: xr.Dataset, layout: Layout) -> xr.Dataset:
    """Latitude and longitude in the order and range of a layout, levels in hPa."""
    data = data.assign_coords(latitude=_numbers(data["latitude"])).sortby("latitude")
    longitude = np.round(_numbers(data["longitude"]) % 360, 6) % 360
    _, first = np.unique(longitude, return_index=True)  # a cyclic column is there twice
    if len(longitude) - len(first) > 1:
        twice = len(longitude) - len(first)
        raise Refusal(f"longitude: {twice} columns are there twice; leave one of each")
    data = data.assign_coords(longitude=longitude).isel(longitude=first)
    for name, values in layout.coords.items():
        there = data[name].values
        if len(there) != len(values) or not np.allclose(there, values, atol=DEGREES):
            raise Refusal(
                f"{name} is not that of the scenario: {len(there)} values from {there[0]:g} to "
                f"{there[-1]:g}, {len(values)} from {values[0]:g} to {values[-1]:g} here; "
                "bring the store to the scenario's grid first"
            )
    data = data.assign_coords(dict(layout.coords))
    return _with_levels(data, layout) if "level" in (*data.dims, *data.coords) else data


def _with_levels(data: xr.Dataset, layout: Layout) -> xr.Dataset:
    """Levels in hPa, those of the layout exactly."""
    if "level" not in data.coords:
        raise Refusal(
            f"level: {data.sizes['level']} levels without a coordinate; add one with their "
            "pressures in hPa"
        )
    scalar = "level" not in data.dims
    data = data.expand_dims("level") if scalar else data
    level = data["level"]
    values = _numbers(level)
    units = str(level.attrs.get("units", "Pa" if values.min(initial=np.inf) > 2000 else "hPa"))
    if units not in PRESSURE:
        raise Refusal(f"level: its units {units!r} are not known; {_listed(PRESSURE)} are")
    values = values * PRESSURE[units]
    for ours in {c.level for c in layout.channels if c.level is not None}:
        values[np.isclose(values, ours, rtol=NEARLY)] = ours
    if len(np.unique(values)) < len(values):
        raise Refusal(f"level: {_listed(values)}, one of them twice; leave one of each")
    return data.assign_coords(level=values)


def _has(data: xr.Dataset, channel: Channel) -> bool:
    if channel.name not in data:
        return False
    levels = "level" in data[channel.name].dims
    if channel.level is None:
        return not levels or data.sizes["level"] == 1
    return levels and channel.level in data["level"].values


def _in_units(data: xr.Dataset, channels: tuple[Channel, ...]) -> tuple[xr.Dataset, list[str]]:
    """The channels' variables in their units, and notes on what was done."""
    converted, notes = {}, []
    for channel in {c.name: c for c in channels}.values():
        variable = data[channel.name]
        if channel.level is None and "level" in variable.dims:
            variable = variable.isel(level=0, drop=True)
        if variable.dtype.kind not in "fiu":
            raise Refusal(f"{channel.name}: holds {variable.dtype}, and numbers are needed")
        missing = {"time", "member", "latitude", "longitude"} - set(variable.dims) - {"member"}
        if missing:
            raise Refusal(
                f"{channel.name}: does not depend on {', '.join(sorted(missing))}; it has "
                f"{_listed(map(str, variable.dims))}, and time, latitude, longitude are needed"
            )
        converted[channel.name] = _converted(variable, channel, notes.append)
    return xr.Dataset(converted), notes


def _converted(
    variable: xr.DataArray, channel: Channel, note: Callable[[str], Any]
) -> xr.DataArray:
    """A variable in the units of its channel; Refusal where no conversion is known."""
    units = variable.attrs.get("units")
    if units is None:
        note(f"{channel.name}: tells no units, taken as {channel.units}")
        return variable
    how = conversion(str(units), channel.units)
    if how is None:
        raise Refusal(f"{channel.name}: is in {units}, and {channel.units} is needed; convert it")
    if how == (1, 0):
        return variable
    note(f"{channel.name}: converted from {units} to {channel.units}")
    return variable * how.scale + how.offset


def index_of(fields: Fields, times: Shaped[np.ndarray, "cycle"], store: str) -> np.ndarray:
    """Places of the cycles among the times of a store; -1 for cycle 0, where it has none.

    UserError that names every other cycle of which there is no analysis.
    """
    there: Mapping[Any, int] = {t: i for i, t in enumerate(fields.data["time"].values)}
    index = np.array([there.get(t, -1) for t in times.astype(fields.data["time"].dtype)])
    if (missing := times[1:][index[1:] < 0]).size:
        others = f" and {len(missing) - 1} more times" if len(missing) > 1 else ""
        span = f"{len(there)} from {min(there)} to {max(there)}" if there else "none"
        raise UserError(
            f"{store}: time: has no analysis at {missing[0]}{others}; it has {span}. "
            "--cycles N takes the first N cycles of the scenario alone"
        )
    return index


def title(channel: Channel) -> str:
    """The name of a field in a message."""
    return channel.name if channel.level is None else f"{channel.name} {channel.level:g} hPa"


def _listed(names: Any, most: int = 8) -> str:
    """Names in one line, the first of many."""
    words = [str(name) for name in names]
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
