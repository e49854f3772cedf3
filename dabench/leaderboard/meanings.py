"""What the settings of a filter mean, and which values the boards have of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from dabench.leaderboard.board import Board
from dabench.leaderboard.row import LONGEST, Row, words
from dabench.scenario.catalogue import PACKAGE

FILE = PACKAGE / "scenario" / "schemas" / "baseline.json"
"""The schema of files of methods, which has the settings of all filters but plug-ins."""


class Setting(NamedTuple):
    """A setting of a filter.

    Arguments:
        name: Name, with those of the groups that it is in before it.
        meaning: What it does; empty for a plug-in's.
        values: Each value in words, and the boards that have it.
    """

    name: str
    meaning: str
    values: dict[str, list[Board]]


def settings(rows: Sequence[tuple[Board, Row]]) -> list[Setting]:
    """All settings of a method's rows, the number of members first."""
    values: dict[str, dict[str, list[Board]]] = {"members": {}}
    for board, row in rows:
        own = {"members": row.first.members, **dict(_flat(row.first.settings))}
        for name, value in own.items():
            text = (words(value) or "–")[:LONGEST]
            values.setdefault(name, {}).setdefault(text, []).append(board)
    explained = {"members": "Size of the ensemble.", **meanings(rows[0][1].first.filter)}
    return [Setting(name[:120], explained.get(name, ""), v) for name, v in values.items()]


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Settings with those of groups as `group.name`."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def meanings(filter_name: str) -> dict[str, str]:
    """Meaning of every setting of a filter of dabench, by name; empty for others."""
    own = _definitions().get(f"filters.{filter_name}", {})
    return dict(_described(own.get("properties", {})))


def _described(properties: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, about in properties.items():
        yield f"{before}{name}", about.get("description", "")
        for option in (about, *about.get("anyOf", ())):
            group = _definitions().get(option.get("$ref", "").rpartition("/")[2], {})
            yield from _described(group.get("properties", {}), f"{before}{name}.")


@cache
def _definitions() -> Mapping[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))["$defs"]
