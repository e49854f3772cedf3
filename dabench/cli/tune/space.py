"""The space of a search: lists and ranges of values by setting, and ranges that grow at an end."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dabench.cli.sweep.spec import Range
from dabench.core.errors import UserError
from dabench.core.layout import Layout
from dabench.scenario import plugins, yamlfile

Space = Mapping[str, Range | list[Any]]
"""Values to try by `members` or `filter.<setting>`."""

MARGIN = 0.05
"""Share of a range, or of its logarithm, that counts as its end."""
DIGITS = 3
"""Significant digits of the numbers that are tried."""


class End(NamedTuple):
    """The end of a list or range of values that the best of a search lies at."""

    name: str
    value: float
    low: bool


def declared(filter_name: str, layout: Layout) -> Space:
    """The space in the table `SEARCH_SPACE` of a filter's module, as far as it matters on a layout.

    Horizontal scales in km are for the sphere, those in sites for all else; vertical scales are for
    systems with levels. UserError where the module has no table.
    """
    table = plugins.factory("filters", filter_name).__globals__.get("SEARCH_SPACE", {})
    texts = [f"{name}={values}" for name, values in table.items() if _matters(name, layout)]
    if not texts:
        raise UserError(f"{filter_name}: declares no settings to search; say what to try by --set")
    return space(texts)


def _matters(name: str, layout: Layout) -> bool:
    if name.endswith("_km"):
        return layout.on_sphere
    if name.endswith("_sites"):
        return not layout.on_sphere
    return not name.endswith("vertical_scale") or any(c.level for c in layout.channels)


def space(changes: list[str]) -> Space:
    """`key=a,b,c` and `key=low..high` (`log` or `whole` behind it) as lists and ranges.

    The key is `members` or a setting of the filter.
    """
    values: dict[str, Range | list[Any]] = {}
    for text in changes:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise UserError(f"--set {text}: is not of the form key=a,b,c or key=low..high")
        name = key if key == "members" else f"filter.{key}"
        values[name] = _range(text, value) if ".." in value else _list(text, value)
    return values


def _range(text: str, value: str) -> Range:
    numbers, _, word = value.partition(" ")
    scales = {"": "linear", "log": "log", "whole": "whole"}
    try:
        low, high = (float(n) for n in numbers.split(".."))
        return Range.model_validate({"low": low, "high": high, "scale": scales[word.strip()]})
    except (KeyError, ValueError):
        raise UserError(
            f"--set {text}: give a range as 0.1..0.9, 10..1000 log, or 1..4 whole"
        ) from None


def _list(text: str, value: str) -> list[Any]:
    return yamlfile.parse(f"[{value}]", f"--set {text}").data


def in_words(values: Range | list[Any]) -> str:
    """A list or a range as a text, which no YAML takes for a number."""
    if isinstance(values, list):
        return json.dumps(values)
    scale = "" if values.scale == "linear" else f" {values.scale}"
    return f"{values.low:g}..{values.high:g}{scale}"


def ends(space: Space, values: Mapping[str, Any]) -> Iterator[End]:
    """The ends of ranges, and of lists of numbers, that some values lie at, or beyond."""
    for name, choices in space.items():
        value = values.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = _at(choices, value)
            if low or high:
                yield End(name, value, low)


def _at(choices: Range | list[Any], value: float) -> tuple[bool, bool]:
    """Whether a number is at the low and at the high end of its choices."""
    if isinstance(choices, Range):
        margin = 0 if choices.scale == "whole" else MARGIN
        low, high, here = (_position(choices, v) for v in (choices.low, choices.high, value))
        return here <= low + margin * (high - low), here >= high - margin * (high - low)
    numbers = len(choices) > 1 and all(type(v) in (int, float) for v in choices)
    return (value == min(choices), value == max(choices)) if numbers else (False, False)


def grown(values: Range, end: End, share: float) -> Range:
    """The range with a share of its length more beyond an end."""
    low, high = _position(values, values.low), _position(values, values.high)
    more = share * (high - low)
    if values.scale == "whole":
        more = math.ceil(more)
    low, high = (low - more, high) if end.low else (low, high + more)
    limits = {"low": rounded(values, low), "high": rounded(values, high)}
    return values.model_copy(update=limits)


def rounded(values: Range, position: float) -> float:
    """The number at a position in a range, with few digits."""
    if values.scale == "whole":
        return float(round(position))
    number = math.exp(position) if values.scale == "log" else position
    return float(f"{number:.{DIGITS}g}")


def _position(values: Range, value: float) -> float:
    """Where a number lies on the scale of a range; nothing is below all numbers of a log scale."""
    if values.scale != "log":
        return value
    return math.log(value) if value > 0 else -math.inf
