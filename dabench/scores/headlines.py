"""Which cells stand for a whole state, and which method every ratio refers to."""

from collections.abc import Iterable, Mapping

from dabench.scores.record import Cell, Variable

WANTED: tuple[Cell, ...] = (
    ("2m_temperature", None),
    ("temperature", 500.0),
    ("geopotential", 500.0),
    ("u_component_of_wind", 500.0),
    ("10m_u_component_of_wind", None),
    ("mean_sea_level_pressure", None),
)
"""Cells that stand for a state of the atmosphere."""

MOST = 6
"""Number of variables that stand for a toy system without a mean over all of them."""

REFERENCE = "ensemble"
"""The unconditional ensemble, which every ratio refers to."""


def headlines(variables: Mapping[str, Variable]) -> list[Cell]:
    """The cells to show first.

    Cells of the atmosphere are those of `WANTED` that the state has, at the nearest level where it
    has others. Toy systems are shown as the mean over all variables, or variable by variable.
    """
    cells = [
        (name, _nearest(level, variables[name].levels))
        for name, level in WANTED
        if name in variables and variables[name].levels
    ]
    if cells:
        return cells
    if "all" in variables:
        return [("all", None)]
    return [(name, variable.levels[0]) for name, variable in variables.items()][:MOST]


def _nearest(level: float | None, levels: Iterable[float | None]) -> float | None:
    return min(levels, key=lambda other: abs((other or 0.0) - (level or 0.0)))
