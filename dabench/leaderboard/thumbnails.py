"""What a result keeps of a run's fields, so that a site shows them without its archive.

The observation network, coarse maps of the truth and of the error of the mean after chosen days,
and the members at some stations: some tens of kilobytes.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dabench.core.plain import plain
from dabench.runs.archive.read import open_run
from dabench.scores.cycles import field, seconds
from dabench.scores.headlines import headlines
from dabench.scores.observed import has_truth
from dabench.scores.record import Cell, Variable

MAPPED: tuple[Cell, ...] = (
    ("2m_temperature", None),
    ("10m_u_component_of_wind", None),
    ("geopotential", 500.0),
)
DAYS = (3.0, 7.0, 15.0)
"""Cells and days of figures 1 to 7 of Savary, Rozet & Louppe (2025), arXiv:2509.18811."""
PLACES_SHOWN = ((50.0, 5.0), (40.0, -100.0), (0.0, 115.0), (-35.0, 150.0), (80.0, 0.0),
                (-60.0, -30.0))  # fmt: skip
"""Latitudes and longitudes near which there are stations: the paper's first, then land, tropics,
both hemispheres, ice and sea."""
NEAR = 15.0
"""Degrees; the nearest observation within this distance of a place makes it a station."""

ROWS = 60
"""Largest number of latitudes of a map; finer grids are thinned."""

PLACES = 2000
"""Largest number of places of a group; more are thinned, unless they are a grid."""

MISSING, MOST = 255, 254


def of_run(folder: str | Path, variables: Mapping[str, Variable]) -> dict[str, Any]:
    """Network, maps and members of a run, as `result_schema.PicturesRecord`.

    Arguments:
        variables: Variables of the state with their levels.
    """
    tree = open_run(folder)
    pictures: dict[str, Any] = {"network": network(tree), "fields": None, "points": []}
    cells = [c for c in MAPPED if c[0] in variables and c[1] in variables[c[0]].levels]
    cells, cycles = cells or headlines(variables)[:1], mapped_cycles(tree)
    if has_truth(tree.attrs.get("scenario", {})) and "latitude" in tree["truth"].dims and cycles:
        pictures["fields"] = _fields(tree, cells, cycles)
        pictures["points"] = _points(tree, cells[0], cycles[-1])
    return pictures


def mapped_cycles(tree: xr.DataTree) -> list[int]:
    """The cycles after 3, 7 and 15 days, or the last one for later days, as far as reached."""
    time = seconds(tree["truth"].to_dataset()["time"].values)
    last, step = int(tree.attrs["cycles"]), (time[1] - time[0]) / 86400
    cycles = {min(last, int(np.ceil(day / step - 1e-9))) for day in DAYS}
    return sorted(k for k in cycles if 0 < k <= int(tree.attrs["completed"]))


def network(tree: xr.DataTree) -> list[dict[str, Any]]:
    """Places of every group of observations, withheld ones too; a grid as its two axes."""
    groups = []
    for name in ("observations", "withheld"):
        if name not in tree or not tree[name].sizes.get("observation"):
            continue
        rows = tree[name].to_dataset()
        columns = [c for c in rows.variables if rows[c].dims == ("observation",)]
        table = rows[columns].drop_vars(["cycle", "time"], errors="ignore").to_dataframe()
        axes = [a for a in ("latitude", "longitude", "site") if a in table.columns]
        for group, part in table.reset_index(drop=True).groupby("group", sort=False):
            places = part[axes].drop_duplicates().to_numpy(float)
            about = {"group": str(group), "withheld": name == "withheld", "values": len(part)}
            about["variables"] = [str(v) for v in dict.fromkeys(part["variable"])]
            groups.append(about | {"places": len(places)} | _where(axes, places))
    return groups


def _where(axes: Sequence[str], places: np.ndarray) -> dict[str, Any]:
    unique = [np.unique(column) for column in places.T]
    grid = len(axes) == 2 and len(places) == np.prod([len(u) for u in unique])
    every = -(-len(places) // PLACES)
    columns = unique if grid else list(places[::every].T)
    rounded = (plain(np.round(column, 3)) for column in columns)
    return {"grid": bool(grid), **dict(zip(axes, rounded, strict=True))}


def _fields(tree: xr.DataTree, cells: Sequence[Cell], cycles: Sequence[int]) -> dict[str, Any]:
    truth = tree["truth"].to_dataset()
    every = max(1, -(-truth.sizes["latitude"] // ROWS))
    axes = {a: plain(truth[a].values[::every].astype(float)) for a in ("latitude", "longitude")}
    maps = []
    for cell in cells:
        for cycle in cycles:
            true, mean = (
                _at(tree, g, cell, cycle).values[::every, ::every] for g in ("truth", "mean")
            )
            about = {"variable": cell[0], "level": cell[1], "cycle": cycle}
            maps.append(about | {"truth": packed(true), "error": packed(mean - true)})
    return {**axes, "every": every, "maps": maps}


def _at(tree: xr.DataTree, group: str, cell: Cell, cycle: int) -> xr.DataArray:
    x = field(tree, group, cell[0]).isel(cycle=cycle)
    x = x if cell[1] is None else x.sel(level=cell[1])
    return x.astype(np.float64).transpose(..., "latitude", "longitude")


def _points(tree: xr.DataTree, cell: Cell, cycle: int) -> list[dict[str, Any]]:
    """Truth, members and the nearest observation at the point of the grid nearest to a station."""
    if "members" not in tree:
        return []
    members, truth = (_at(tree, group, cell, cycle) for group in ("members", "truth"))
    about = {"variable": cell[0], "level": cell[1], "cycle": cycle}
    points = []
    for place in PLACES_SHOWN:
        latitude, longitude, observed = _station(tree, cell, cycle, place)
        where = {"latitude": latitude, "longitude": longitude % 360}
        x, true = (field.sel(where, method="nearest") for field in (members, truth))
        here = {axis: float(x[axis]) for axis in ("latitude", "longitude")}
        values = {"truth": plain(true.values), "members": [plain(v) for v in x.values]}
        points.append(about | here | values | {"observed": observed})
    return points


def _station(
    tree: xr.DataTree, cell: Cell, cycle: int, place: tuple[float, float]
) -> tuple[float, float, float | None]:
    """Latitude, longitude and value of the observation of a field that is nearest to a place.

    The place itself, and no value, where nothing within `NEAR` observes the field itself.
    """
    rows = tree["observations"].to_dataset().isel(cycle=cycle)
    if "latitude" not in rows or not rows.sizes.get("observation"):
        return *place, None
    usable = np.isfinite(rows["y"].values) & (rows["variable"].values == cell[0])
    if cell[1] is not None:
        usable &= rows["level"].values == cell[1]
    usable &= rows["units"].values == tree["truth"][cell[0]].attrs.get("units")
    usable &= (away := _degrees(rows, place)) <= NEAR
    if not usable.any():
        return *place, None
    best = int(np.where(usable, away, np.inf).argmin())
    row = rows.isel(observation=best)
    return float(row["latitude"]), float(row["longitude"]), float(row["y"])


def _degrees(rows: xr.Dataset, place: tuple[float, float]) -> np.ndarray:
    """Distance of observations from a place along the sphere, degrees."""
    lat, lon, north, east = (
        np.deg2rad(x) for x in (rows["latitude"].values, rows["longitude"].values, *place)
    )
    cosine = np.sin(lat) * np.sin(north) + np.cos(lat) * np.cos(north) * np.cos(lon - east)
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))


def packed(values: np.ndarray) -> dict[str, Any]:
    """A field as text: one byte for each value (255: missing), compressed; and their range."""
    present = np.isfinite(values)
    low, high = (float(x(values[present])) if present.any() else 0.0 for x in (np.min, np.max))
    step = (high - low) / MOST or 1.0
    with np.errstate(invalid="ignore"):
        level = np.where(present, np.rint((values - low) / step), MISSING)
    text = base64.b64encode(zlib.compress(level.astype(np.uint8).tobytes(), 9)).decode()
    return {"low": low, "step": step, "data": text}


def unpacked(packed_map: Mapping[str, Any], shape: tuple[int, int]) -> np.ndarray:
    """The field (latitude, longitude), to half a step; ValueError if it has another shape."""
    size = shape[0] * shape[1]
    try:
        raw = zlib.decompressobj().decompress(base64.b64decode(packed_map["data"]), size + 1)
    except zlib.error as e:
        raise ValueError(str(e)) from None
    if len(raw) != size:
        raise ValueError(f"not {shape[0]} x {shape[1]} values")
    level = np.frombuffer(raw, np.uint8).reshape(shape)
    return np.where(
        level == MISSING, np.nan, packed_map["low"] + packed_map["step"] * level.astype(float)
    )
