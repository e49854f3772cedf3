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

SHORT = {  # ECMWF's short names
    "temperature": "t",
    "geopotential": "z",
    "u_component_of_wind": "u",
    "v_component_of_wind": "v",
    "specific_humidity": "q",
    "vertical_velocity": "w",
    "2m_temperature": "2t",
    "10m_u_component_of_wind": "10u",
    "10m_v_component_of_wind": "10v",
    "mean_sea_level_pressure": "msl",
    "sea_surface_temperature": "sst",
    "total_precipitation_12hr": "tp",
}

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


def label(variable: str, level: float | None = None) -> str:
    """`t500`, `2t`, or the variable's own name and level."""
    if level is None:
        return SHORT.get(variable, variable)
    return f"{SHORT.get(variable, variable + ' ')}{level:g}"


def title(variable: str, level: float | None = None) -> str:
    """`Temperature, 500 hPa`."""
    name = variable.replace("_component_of_wind", "-wind").replace("_", " ")
    name = name[:1].upper() + name[1:]
    return name if level is None else f"{name}, {level:g} hPa"


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods as tables list them; `fa_apf-paper` follows `fa_apf`."""

    def place(method: str) -> tuple[int, str]:
        name = method.split("-")[0]
        return METHODS.index(name) if name in METHODS else len(METHODS), method

    return sorted(methods, key=place)


RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def units(text: str) -> str:
    """`m**2 s**-2` as `m² s⁻²`; nothing for pure numbers."""
    parts = [p.partition("**") for p in text.split()]
    return " ".join(base + power.translate(RAISED) for base, _, power in parts if base != "1")


def squared(text: str) -> str:
    """Units of a variance: `m s**-1` as `m² s⁻²`, `(text)²` where powers are not whole numbers."""
    parts = [p.partition("**") for p in text.split()]
    try:
        return units(" ".join(f"{base}**{2 * int(power or 1)}" for base, _, power in parts))
    except ValueError:
        return f"({text})²"


def values_of(
    scores: Mapping[str, Any], region: str = "global"
) -> dict[tuple[str, float | None, str], dict]:
    """Headline rows by (variable, level, metric)."""
    return {
        (row["variable"], row["level"], row["metric"]): row
        for row in scores["scores"]
        if row["region"] == region
    }


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits without an exponent where that is short; a dash for nothing."""
    if value is None:
        return "–"
    text = f"{value:#.{digits}g}"
    if "e" in text and abs(value) >= 1:
        text = f"{value:.0f}"
    return text.rstrip(".").replace("-", "−")
