"""Variables, units, numbers and days as tables and figures print them."""

from dabench.scores.record import Scores

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


RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def raised(power: object) -> str:
    """An exponent in raised digits."""
    return str(power).translate(RAISED)


def units(text: str) -> str:
    """`m² s⁻²` for `m**2 s**-2`; empty for pure numbers."""
    parts = [part.partition("**") for part in text.split()]
    return " ".join(base + raised(power) for base, _, power in parts if base != "1")


def squared(text: str) -> str:
    """Units of a variance: `m s**-1` as `m² s⁻²`, `(text)²` where powers are not whole numbers."""
    parts = [p.partition("**") for p in text.split()]
    try:
        return units(" ".join(f"{base}**{2 * int(power or 1)}" for base, _, power in parts))
    except ValueError:
        return f"({text})²"


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits without an exponent where that is short; a dash for nothing."""
    if value is None:
        return "–"
    text = f"{value:#.{digits}g}"
    if "e" in text and abs(value) >= 1:
        text = f"{value:.0f}"
    return text.rstrip(".").replace("-", "−")


DURATIONS = ((1e-3, 1e-6, "µs"), (1.0, 1e-3, "ms"), (120.0, 1.0, "s"), (7200.0, 60.0, "min"))
SIZES = ((1e3, 1.0, "B"), (1e6, 1e3, "kB"), (1e9, 1e6, "MB"))
"""Values up to which a unit reads well, what it stands for, and its name."""


def duration(seconds: float | None) -> str:
    """`0.69 ms`, `7.83 s`, `2.10 min`; a dash for nothing."""
    return _in_units(seconds, DURATIONS, (3600.0, "h"))


def size(of_bytes: float | None) -> str:
    """`364 B`, `17.8 MB`; a dash for nothing."""
    return _in_units(of_bytes, SIZES, (1e9, "GB"))


def _in_units(
    value: float | None, steps: tuple[tuple[float, float, str], ...], last: tuple[float, str]
) -> str:
    if value is None:
        return number(None)
    scale, unit = next(((scale, unit) for end, scale, unit in steps if value < end), last)
    return f"{number(value / scale)} {unit}"


def day(run: Scores, cycle: int) -> str:
    """Days from the start of a run to a cycle of it."""
    return f"{(run.seconds[cycle] - run.seconds[0]) / 86400:.3g}"
