"""Which fields are observed, and at which points of the grid no observation takes its value."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float

from dabench.scores.record import Cell, Scores, Variable

OBSERVED, OTHERS = "observed", "not observed"
"""Kinds of fields; no mean is taken over both."""
SURFACE = ("temperature", "u_component_of_wind", "v_component_of_wind", "wind_speed")
"""Variables of which `levels: [surface]` means those of 2 m and 10 m."""
SPEED, COMPONENTS = "wind_speed", ("u_component_of_wind", "v_component_of_wind")
"""An observed variable that is made of two others, and these."""
WITHIN = 1 - 1e-6
"""Grid spacings from a station to the points that are interpolated to it, at most."""


def kinds_of_fields(run: Scores) -> dict[str, list[Cell]]:
    """The cells that are observed somewhere, and the others; a kind without any is left out."""
    observed = observed_cells(run.scenario, run.variables)
    kinds = {
        OBSERVED: [cell for cell in run.cells if cell in observed],
        OTHERS: [cell for cell in run.cells if cell not in observed],
    }
    return {kind: cells for kind, cells in kinds.items() if cells}


def observed_cells(scenario: Mapping[str, Any], variables: Mapping[str, Variable]) -> set[Cell]:
    """The variables and levels of the state that a scenario observes somewhere.

    Arguments:
        scenario: Content of the scenario, defaults written out.
        variables: Variables of the state with their levels.
    """
    groups = scenario.get("observations") or ()
    cells = {cell for group in groups for cell in _cells_of(group, variables)}
    if {(name, None) for name in variables if name != "all"} <= cells and "all" in variables:
        cells.add(("all", None))
    return cells


def _cells_of(group: Mapping[str, Any], variables: Mapping[str, Variable]) -> set[Cell]:
    cells = set()
    for name in group.get("variables") or variables:
        for level in group.get("levels") or ("all",):
            at_surface = level == "surface"
            for part in _components(_at_surface(name) if at_surface else name):
                levels = variables[part].levels if part in variables else ()
                number = None if at_surface else level
                cells |= {(part, p) for p in levels if level == "all" or p == number}
    return cells


def _at_surface(name: str) -> str:
    height = "2m" if name == "temperature" else "10m"
    return f"{height}_{name}" if name in SURFACE else name


def _components(name: str) -> tuple[str, ...]:
    """The variables of the state that an observed one is made of."""
    if not name.endswith(SPEED):
        return (name,)
    return tuple(name.removesuffix(SPEED) + component for component in COMPONENTS)


def untouched(tree: xr.DataTree, truth: xr.DataArray) -> xr.DataArray:
    """Whether no observation of a variable depends on its value at a point: ([level], *space).

    Arguments:
        tree: Archive of a run.
        truth: The variable in one cycle, at the levels that it has.
    """
    space = [axis for axis in ("latitude", "longitude", "site") if axis in truth.dims]
    levels = truth["level"].values if "level" in truth.dims else [np.nan]
    grids = [np.asarray(truth[axis].values, float) for axis in space]
    table = _observations(tree, str(truth.name))
    height = table["level"].to_numpy(float)
    touched = [
        _touched(table.loc[np.isclose(height, level, equal_nan=True)], space, grids)
        for level in levels
    ]
    dims = (*(["level"] if "level" in truth.dims else []), *space)
    free = ~np.array(touched) if "level" in truth.dims else ~touched[0]
    return xr.DataArray(free, {d: truth[d] for d in dims}, dims)


def _observations(tree: xr.DataTree, name: str) -> pd.DataFrame:
    """Level, place and reach in grid spacings of the observations that are made of a variable."""
    if "observations" not in tree or not tree["observations"].sizes.get("observation"):
        return pd.DataFrame({"level": []})
    rows = tree["observations"].to_dataset()
    columns = [c for c in rows.variables if rows[c].dims == ("observation",)]
    table = rows[columns].drop_vars(["cycle", "time"], errors="ignore").to_dataframe()
    table = table[[name in _components(str(v)) for v in table["variable"]]]
    groups = tree.attrs.get("scenario", {}).get("observations") or ()
    reach = {group["name"]: _reach(group["locations"]) for group in groups}
    return table.assign(reach=[reach.get(str(name), WITHIN) for name in table["group"]])


def _reach(locations: Mapping[str, Any]) -> float:
    """Grid spacings from a place to the last point that counts: half a block, or a corner."""
    return (locations["blocks"] - 1) / 2 + 0.25 if "blocks" in locations else WITHIN


def _touched(
    table: pd.DataFrame, space: Sequence[str], grids: Sequence[np.ndarray]
) -> Bool[np.ndarray, "..."]:
    """Whether any place of a table is within its reach, axis by axis."""
    if table.empty:
        return np.zeros([len(grid) for grid in grids], bool)
    near = [_near(table, axis, grid) for axis, grid in zip(space, grids, strict=True)]
    counts = near[0].sum(0) if len(near) == 1 else near[0].astype(float).T @ near[1]
    return np.greater(counts, 0)


def _near(table: pd.DataFrame, axis: str, grid: np.ndarray) -> Float[np.ndarray, "row point"]:
    apart = np.abs(table[axis].to_numpy(float)[:, None] - grid)
    if axis == "longitude":
        apart = np.minimum(apart % 360, -apart % 360)
    spacing = abs(grid[1] - grid[0]) if len(grid) > 1 else 1.0  # a single site is near itself
    return apart < table["reach"].to_numpy()[:, None] * spacing
