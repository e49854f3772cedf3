"""Units of other people's fields in those of ours, where that is certain."""

import re
from typing import NamedTuple

GRAVITY = 9.80665  # m s-2, of geopotential heights


class Conversion(NamedTuple):
    """value * scale + offset."""

    scale: float
    offset: float = 0.0


SAME = Conversion(1.0)
KNOWN = {
    "K": {
        "kelvin": SAME,
        "degK": SAME,
        "degC": Conversion(1.0, 273.15),
        "C": Conversion(1.0, 273.15),
        "°C": Conversion(1.0, 273.15),
        "celsius": Conversion(1.0, 273.15),
        "degrees_celsius": Conversion(1.0, 273.15),
        "degree_Celsius": Conversion(1.0, 273.15),
    },
    "Pa": {
        "pascal": SAME,
        "hPa": Conversion(100.0),
        "mbar": Conversion(100.0),
        "millibar": Conversion(100.0),
        "mb": Conversion(100.0),
        "kPa": Conversion(1000.0),
    },
    "m2 s-2": {
        "J kg-1": SAME,
        "m": Conversion(GRAVITY),
        "gpm": Conversion(GRAVITY),
        "dam": Conversion(10 * GRAVITY),
    },
    "m s-1": {
        "km h-1": Conversion(1 / 3.6),
        "knot": Conversion(1852 / 3600),
        "kt": Conversion(1852 / 3600),
        "knots": Conversion(1852 / 3600),
    },
    "kg kg-1": {"1": SAME, "g kg-1": Conversion(1e-3), "g g-1": SAME},
    "m": {"mm": Conversion(1e-3), "kg m-2": Conversion(1e-3), "cm": Conversion(1e-2)},
    "Pa s-1": {"hPa s-1": Conversion(100.0)},
}
"""Units that fields of ours have: other names of them, and units that convert into them."""


def conversion(theirs: str, ours: str) -> Conversion | None:
    """How values in their units become values in ours; None where that is not known.

    Arguments:
        theirs: Units as an attribute tells them; an exponent may be `**2`, `^2` or `2`, a quotient
            `/`.
        ours: Units of a channel.
    """
    one, other = normal(theirs), normal(ours)
    if one == other:
        return SAME
    return {normal(name): how for name, how in KNOWN.get(other, {}).items()}.get(one)


def normal(units: str) -> str:
    """Units in one spelling: `m2 s-2` for `m**2/s**2`, `m^2 s^-2` and `m2.s-2`."""
    text = re.sub(r"\*\*|\^", "", units.strip())
    first, *quotients = re.sub(r"\s*/\s*", "/", text).split("/")
    words = [*_words(first), *(_inverse(w) for part in quotients for w in _words(part))]
    return " ".join(words)


def _words(product: str) -> list[str]:
    return re.findall(r"[^\s.*]+", product)


def _inverse(word: str) -> str:
    """`s-2` for `s2`."""
    match = re.fullmatch(r"(\D+?)(\d*)", word)
    return f"{match[1]}-{match[2] or 1}" if match else word
