"""Which fields are observed, and at which points of the grid no observation takes its value."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float

from dabench.scenario.derived import AT_SURFACE, DERIVED, LAYER_MEAN
from dabench.scores.record import Cell, Scores, Variable

OBSERVED, OTHERS = "observed", "not observed"
"""Kinds of fields; no mean is taken over both."""
WITHIN = 1 - 1e-6
"""Grid spacings from a station to the points that are interpolated to it, at most."""


def has_truth(scenario: Mapping[str, Any]) -> bool:
    """Whether runs of a scenario are scored by a truth, or by an analysis in its place.

    Arguments:
        scenario: Content of the scenario, defaults written out.
    """
    return not is_real(scenario) or scenario.get("verify") == "analysis"


def is_real(scenario: Mapping[str, Any]) -> bool:
    """Whether the values of a scenario's observations are real ones."""
    groups = scenario.get("observations") or ()
    return any("values" in (group.get("locations") or {}) for group in groups)


def held_to(run: Scores) -> str:
    """What a run on real values is scored by, in words; nothing where the truth is known."""
    if not is_real(run.scenario):
        return ""
    if has_truth(run.scenario):
        return "the truth is an analysis of much the same observations"
    if run.withheld is not None:
        return "no truth: analyses are scored by withheld observations, whose errors count"
    return "no truth: forecasts are scored by observations not yet used, whose errors count"


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
    if group.get("average"):
        levels = map(float, group["average"])
        return {(name, level) for level in levels for name in group["variables"]}
    cells: set[Cell] = set()
    for name in group.get("variables") or variables:
        for level in group.get("levels") or ("all",):
            at_surface = level == "surface"
            variable = AT_SURFACE.get(name, name) if at_surface else name
            whole = level == "all" or _is_column(variable)
            for part in _parts(variable):
                levels = variables[part].levels if part in variables else ()
                number = None if at_surface else level
                cells |= {(part, p) for p in levels if whole or p == number}
    return cells


def _parts(variable: str) -> tuple[str, ...]:
    """The variables of the state that an observed one is made of."""
    return DERIVED[variable].parts if variable in DERIVED else (variable,)


def _is_column(variable: str) -> bool:
    return variable in DERIVED and DERIVED[variable].column


def untouched(tree: xr.DataTree, truth: xr.DataArray) -> xr.DataArray:
    """Whether no observation of a variable depends on its value at a point: ([level], *space).

    Arguments:
        tree: Archive of a run.
        truth: The variable in one cycle, at the levels that it has.
    """
    space = [axis for axis in ("latitude", "longitude", "site") if axis in truth.dims]
    levels = truth["level"].values if "level" in truth.dims else np.array([np.nan])
    grids = [np.asarray(truth[axis].values, float) for axis in space]
    table = _observations(tree, str(truth.name), levels)
    height = table["level"].to_numpy(float)
    touched = [
        _touched(table.loc[np.isclose(height, level, equal_nan=True)], space, grids)
        for level in levels
    ]
    dims = (*(["level"] if "level" in truth.dims else []), *space)
    free = ~np.array(touched) if "level" in truth.dims else ~touched[0]
    return xr.DataArray(free, {d: truth[d] for d in dims}, dims)


def _observations(tree: xr.DataTree, name: str, levels: Float[np.ndarray, "level"]) -> pd.DataFrame:
    """Level, place and reach in grid spacings of the observations that are made of a variable.

    One that is made of several levels of it has a row a level.
    """
    if "observations" not in tree or not tree["observations"].sizes.get("observation"):
        return pd.DataFrame({"level": []})
    rows = tree["observations"].to_dataset()
    columns = [c for c in rows.variables if rows[c].dims == ("observation",)]
    table = rows[columns].drop_vars(["cycle", "time"], errors="ignore").to_dataframe()
    groups = tree.attrs.get("scenario", {}).get("observations") or ()
    reach = {group["name"]: _reach(group["locations"]) for group in groups}
    average = {g["name"]: list(map(float, g["average"])) for g in groups if g.get("average")}
    variable = [str(v) for v in table["variable"]]
    group = [str(g) for g in table["group"]]
    table = table.assign(reach=[reach.get(g, WITHIN) for g in group])
    table["variable"] = [v.removeprefix(LAYER_MEAN) for v in variable]
    table["level"] = [
        average.get(g) or (list(levels) if _is_column(v) else p)
        for g, v, p in zip(group, variable, table["level"], strict=True)
    ]
    made_of_it = [name in _parts(v) for v in table["variable"]]
    return table.loc[made_of_it].explode("level")


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
