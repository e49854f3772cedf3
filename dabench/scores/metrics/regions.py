"""Regions that scores are averaged over: exact cell areas, boxes and land, all as weights.

Source: WeatherBench 2 (Rasp et al. 2024, arXiv 2308.15560); its evaluation code at 021c0b3.
"""

from collections.abc import Iterable

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from dabench.core.layout import cell_area

Box = tuple[list[tuple[float, float]], list[tuple[float, float]]]
"""Intervals of latitude and of longitude, degrees."""

_ALL_LATITUDES, _ALL_LONGITUDES = [(-90.0, 90.0)], [(-360.0, 360.0)]

BOXES: dict[str, Box] = {
    "global": (_ALL_LATITUDES, _ALL_LONGITUDES),
    "tropics": ([(-20, 20)], _ALL_LONGITUDES),
    "extra-tropics": ([(-90, -20), (20, 90)], _ALL_LONGITUDES),
    "northern-hemisphere": ([(20, 90)], _ALL_LONGITUDES),
    "southern-hemisphere": ([(-90, -20)], _ALL_LONGITUDES),
    "europe": ([(35, 75)], [(347.5, 360), (0, 42.5)]),
    "north-america": ([(25, 60)], [(240, 285)]),
    "north-atlantic": ([(25, 65)], [(290, 350)]),
    "north-pacific": ([(25, 60)], [(145, 230)]),
    "east-asia": ([(25, 60)], [(102.5, 150)]),
    "ausnz": ([(-45, -12.5)], [(120, 175)]),
    "arctic": ([(60, 90)], _ALL_LONGITUDES),
    "antarctic": ([(-90, -60)], _ALL_LONGITUDES),
}
"""Latitude and longitude intervals in degrees, ends included."""

UNWEIGHTED = "unweighted"
"""The region of all points of the grid, each of which counts the same, as many papers have it.

A point near a pole then stands for less of the Earth than one at the equator.
"""

LAND = {"global_land": "global", "extra-tropics_land": "extra-tropics", "tropics_land": "tropics"}
"""Regions whose weights are multiplied by the fraction of land, and the box that each fills."""


def area_weights(
    field: xr.DataArray | xr.Dataset,
    regions: Iterable[str] | None = None,
    land: xr.DataArray | None = None,
) -> xr.DataArray:
    """Weights of every point of `field` in every region: (region, latitude, longitude).

    Systems without a sphere (dimension `site`) have one region, "global", of equal weights.

    Arguments:
        field: Anything with the coordinates of the full grid.
        regions: Names out of `BOXES` and `LAND`, or `UNWEIGHTED`; default: all of `BOXES`, and of
            `LAND` where the fraction of land is there.
        land: Fraction of land (latitude, longitude), needed by the regions in `LAND`.
    """
    if "site" in field.dims:
        ones = np.ones((1, field.sizes["site"]))
        return xr.DataArray(ones, {"region": ["global"]}, ("region", "site"))
    if regions is None:
        regions = [*BOXES, *(LAND if land is not None else [])]
    regions = list(regions)
    latitude, longitude = field["latitude"].values, field["longitude"].values
    area = cell_area(latitude)[:, None]
    weights = [
        np.ones((len(latitude), len(longitude)))
        if name == UNWEIGHTED
        else area * _share(name, latitude, longitude, land)
        for name in regions
    ]
    return xr.DataArray(
        np.stack(weights),
        {"region": regions, "latitude": field["latitude"], "longitude": field["longitude"]},
        ("region", "latitude", "longitude"),
    )


def _share(
    name: str, latitude: np.ndarray, longitude: np.ndarray, land: xr.DataArray | None
) -> Float[np.ndarray, "latitude longitude"]:
    """Share of each cell's weight that belongs to a region: 0 or 1, or its fraction of land."""
    if name not in BOXES and name not in LAND:
        names = ", ".join([*BOXES, *LAND, UNWEIGHTED])
        raise ValueError(f"unknown region {name!r}; known: {names}")
    latitudes, longitudes = BOXES[LAND.get(name, name)]
    inside = _within(latitude, latitudes)[:, None] & _within(longitude, longitudes)[None]
    if name not in LAND:
        return inside.astype(np.float64)
    if land is None:
        raise ValueError(f"region {name!r} needs a land-sea mask")
    return inside * land.transpose("latitude", "longitude").values.astype(np.float64)


def inside(
    region: str, latitude: Float[np.ndarray, "place"], longitude: Float[np.ndarray, "place"]
) -> Bool[np.ndarray, "place"]:
    """Whether each place lies in a region of `BOXES`, ends included.

    Arguments:
        latitude: Degrees.
        longitude: Degrees from 0 to 360.
    """
    latitudes, longitudes = BOXES[region]
    return _within(latitude, latitudes) & _within(longitude, longitudes)


def _within(x: np.ndarray, intervals: list[tuple[float, float]]) -> np.ndarray:
    """Whether each x lies in one of the intervals, ends included."""
    return np.any([(x >= low) & (x <= high) for low, high in intervals], axis=0)


def spatial_mean(field: xr.DataArray, weights: xr.DataArray, skipna: bool = False) -> xr.DataArray:
    """Weighted mean over the points of each region, accumulated in float64: (region, ...).

    Arguments:
        field: Any dimensions, among them the spatial ones of `weights`.
        weights: (region, *space), as `area_weights` makes them; points of weight zero do not count.
        skipna: Renormalise over the points that are not NaN; else one NaN makes the mean NaN.
            A region without a (valid) point gives NaN.
    """
    space = weights.dims[1:]
    rest = [d for d in field.dims if d not in space]
    x = field.transpose(*rest, *space)
    flat = x.values.reshape(*(x.sizes[d] for d in rest), -1).astype(np.float64, copy=False)
    means = _means(flat, weights.values.reshape(weights.sizes["region"], -1), skipna)
    coords = {k: c for k, c in field.coords.items() if not set(c.dims) & set(space)}
    return xr.DataArray(
        means, {"region": weights["region"], **coords}, ("region", *rest), name=field.name
    )


def _means(
    x: Float[np.ndarray, "... point"], weights: Float[np.ndarray, "region point"], skipna: bool
) -> Float[np.ndarray, "region ..."]:
    """Weighted means of each region: one matrix product where all numbers are finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if np.isfinite(x).all():
            return np.moveaxis(x @ weights.T / weights.sum(1), -1, 0)
        return np.stack([_mean(x[..., w > 0], w[w > 0], skipna) for w in weights])


def _mean(x: np.ndarray, weight: np.ndarray, skipna: bool) -> np.ndarray:
    """(..., point) to (...) with NaN and infinities, at points of positive weight."""
    if not skipna:
        return x @ weight / np.float64(weight.sum())
    missing = np.isnan(x)
    return np.where(missing, 0.0, x) @ weight / (~missing @ weight)
