"""Which variables stand for a whole state, and how they are called in tables and figures."""

from collections.abc import Iterable, Mapping
from typing import Any

Cell = tuple[str, float | None]
"""A variable and its level in hPa, None if it has none."""

WANTED: tuple[Cell, ...] = (
    ("2m_temperature", None),
    ("temperature", 500.0),
    ("geopotential", 500.0),
    ("u_component_of_wind", 500.0),
    ("10m_u_component_of_wind", None),
    ("mean_sea_level_pressure", None),
)


METHODS = ("fa_apf", "guided", "letkf", "enkf", "oi", "bootstrap", "ensemble", "persistence")
"""The order of methods in tables and figures; others follow by name."""

REFERENCE = "ensemble"
"""The unconditional ensemble, which every ratio refers to."""


def headlines(variables: Mapping[str, Mapping[str, Any]]) -> list[Cell]:
    """The cells to show first: of the atmosphere those of `WANTED` that there are, the nearest
    level where it is not there; of toy systems all variables together, or each.

    Arguments:
        variables: With their levels, as in `scores.json`.
    """
    found = [
        (name, min(levels, key=lambda there: abs((there or 0.0) - (level or 0.0))))
        for name, level in WANTED
        if (levels := list(variables.get(name, {}).get("levels", ())))
    ]
    if found:
        return found
    if "all" in variables:
        return [("all", None)]
    return [(name, v["levels"][0]) for name, v in variables.items()][:6]


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods as tables list them; `fa_apf-paper` follows `fa_apf`."""

    def place(method: str) -> tuple[int, str]:
        name = method.split("-")[0]
        return METHODS.index(name) if name in METHODS else len(METHODS), method

    return sorted(methods, key=place)


def values_of(
    scores: Mapping[str, Any], region: str = "global"
) -> dict[tuple[str, float | None, str], dict]:
    """Headline rows by (variable, level, metric)."""
    return {
        (row["variable"], row["level"], row["metric"]): row
        for row in scores["scores"]
        if row["region"] == region
    }
