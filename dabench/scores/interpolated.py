"""Fields at the places of observations, for archives that do not say what h makes of the analysis.

The mean of an operator that is linear in one field is the operator of the mean.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int

ON_POINT = 1e-6
"""Spacings of the grid from a point within which a place is the point."""


class Corners(NamedTuple):
    """Grid points around each place along one axis.

    Arguments:
        lower, upper: Numbers of the points.
        weight: Weight of the upper one; NaN beyond the grid's ends.
    """

    lower: Int[np.ndarray, "place"]
    upper: Int[np.ndarray, "place"]
    weight: Float[np.ndarray, "place"]


def at_places(
    fields: xr.Dataset, observed: xr.Dataset, scenario: Mapping[str, Any]
) -> Float[np.ndarray, "cycle observation"]:
    """Fields (cycle, ..) where they are observed, interpolated bilinearly.

    NaN beyond the grid's ends and where an observation is no interpolation: block means, and
    variables that are derived from fields.

    Arguments:
        fields: Fields of one state a cycle.
        observed: Observations with their places.
        scenario: Content of the scenario, whose groups have locations.
    """
    values = np.full(observed["y"].shape, np.nan)
    axes = [axis for axis in ("latitude", "longitude", "site") if axis in fields.dims]
    if not axes:
        return values
    corners = [_corners(fields[axis].values, observed[axis].values, axis) for axis in axes]
    names = np.array([str(v) for v in observed["variable"].values])
    levels = np.nan_to_num(observed["level"].values.astype(float), nan=-1.0)
    interpolable = _is_interpolation(observed, scenario)
    for name, level in {*zip(names, levels, strict=True)}:
        if name not in fields or (level >= 0) != ("level" in fields[name].dims):
            continue
        field = fields[name] if level < 0 else fields[name].sel(level=level, method="nearest")
        columns = interpolable & (names == name) & (levels == level)
        own = [Corners(*(part[columns] for part in around)) for around in corners]
        values[:, columns] = _interpolate(field.transpose("cycle", *axes).values, own)
    return values


def _is_interpolation(
    observed: xr.Dataset, scenario: Mapping[str, Any]
) -> Bool[np.ndarray, "observation"]:
    """Whether each observation is of a place and not of an area."""
    areas = {
        group["name"]
        for group in scenario.get("observations") or ()
        if (group.get("locations") or {}).get("blocks", 1) != 1
    }
    return np.array([str(name) not in areas for name in observed["group"].values])


def _corners(
    grid: Float[np.ndarray, "point"], place: Float[np.ndarray, "place"], axis: str
) -> Corners:
    """The points around each place; longitudes go round."""
    order = np.argsort(grid)
    points, x = grid[order].astype(float), np.asarray(place, float)
    if axis == "longitude":
        points, order = np.append(points, points[0] + 360), np.append(order, order[0])
        x = points[0] + (x - points[0]) % 360
    if len(points) == 1:
        zeros = np.zeros(len(x), int)
        return Corners(zeros, zeros, np.where(np.abs(x - points[0]) < ON_POINT, 0.0, np.nan))
    upper = np.clip(np.searchsorted(points, x, side="right"), 1, len(points) - 1)
    weight = (x - points[upper - 1]) / (points[upper] - points[upper - 1])
    nearest = np.round(weight)
    weight = np.where(np.abs(weight - nearest) < ON_POINT, nearest, weight)
    within = (weight >= 0) & (weight <= 1)
    return Corners(order[upper - 1], order[upper], np.where(within, weight, np.nan))


def _interpolate(
    field: Float[np.ndarray, "cycle ..."], corners: Sequence[Corners]
) -> Float[np.ndarray, "cycle place"]:
    """The sum over the corners; those of weight zero do not count, whatever they hold."""
    parts: list[tuple[tuple, np.ndarray]] = [((), np.ones(()))]
    for lower, upper, weight in corners:
        parts = [
            ((*index, point), share * part)
            for index, share in parts
            for point, part in ((lower, 1 - weight), (upper, weight))
        ]
    total = np.zeros((len(field), len(corners[0].weight)))
    for index, share in parts:
        total += np.where(share == 0, 0.0, share * field[(slice(None), *index)])
    return total
