"""What the diagnostics page says of observations, as the monitoring pages of weather centres do.

All numbers are those of the first seed of each method.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dabench.core.quality import CHECKS
from dabench.leaderboard.board import Board
from dabench.leaderboard.format import number, title
from dabench.leaderboard.row import Row
from dabench.leaderboard.vocabulary import BY_GROUP, MONITORING
from dabench.scores.record import GLOBAL, Scores

REGION_NAMES = {
    GLOBAL: "globe",
    "tropics": "tropics",
    "northern-hemisphere": "north of 20° N",
    "southern-hemisphere": "south of 20° S",
}
"""Regions of the statistics in the order of panels and tables."""


class Line(NamedTuple):
    """One line of a table: a method, what it is about, and texts by column."""

    row: Row
    what: str
    numbers: Mapping[str, str]


class Table(NamedTuple):
    """Lines, and the heads of those columns that any line has a number in, by their parts."""

    columns: Mapping[str, Mapping[str, str]]
    lines: Sequence[Line]


class Monitored(NamedTuple):
    """One group of observations: its tables of the globe, and of each other region by name."""

    group: str
    table: Table
    regions: Mapping[str, Table]


def monitored(board: Board) -> list[Monitored]:
    """The groups of a board's observations; none where no method says how it fits them.

    Lines of one field follow one another. Tables of regions leave out references.
    """
    fits = {row: row.first.observations for row in board.rows if row.first.observations}
    lines = [(row, GLOBAL, line) for row, fit in fits.items() for line in fit.groups]
    lines += [
        (row, line["region"], line)
        for row, fit in fits.items()
        for line in fit.regions
        if not row.reference
    ]
    tables = {}
    for name in dict.fromkeys(line["group"] for _, _, line in lines):
        own = [entry for entry in lines if entry[2]["group"] == name]
        tables[name] = {
            text: _table((row, line) for row, where, line in own if where == region)
            for region, text in REGION_NAMES.items()
            if any(where == region for _, where, _ in own)
        }
    return [Monitored(name, own.pop(REGION_NAMES[GLOBAL]), own) for name, own in tables.items()]


def _table(rows: Iterable[tuple[Row, Mapping[str, Any]]]) -> Table:
    """The lines of one group, field by field."""
    numbers = [(row, title(line["variable"], line["level"]), line) for row, line in rows]
    order = {what: place for place, what in enumerate(dict.fromkeys(w for _, w, _ in numbers))}
    lines = [
        Line(row, what, {name: _text(line.get(name)) for name in _names(MONITORING)})
        for row, what, line in sorted(numbers, key=lambda entry: order[entry[1]])
    ]
    return Table(_used_columns(MONITORING, lines), lines)


def by_group(board: Board) -> Table:
    """All groups at a glance, for each method: shares of values, normalised departures, chi²."""
    lines = [
        Line(row, name, {key: _text(numbers.get(key)) for key in _names(BY_GROUP)})
        for row in board.rows
        for name, numbers in _glance(row.first).items()
    ]
    return Table(_used_columns(BY_GROUP, lines), lines)


def rejections(run: Scores) -> str:
    """What quality control rejects, in words; empty where nothing is checked."""
    rows = run.observations.groups if run.observations else ()
    counts = {name: [row[name] for row in rows if row.get(name) is not None] for name in CHECKS}
    if not any(counts.values()):
        return ""
    parts = [f"{sum(n)} by the {name.replace('_', ' ')}" for name, n in counts.items()]
    used = sum(row["used"] for row in rows)
    return f"{', '.join(parts)}; {used} values used, over {run.completed - run.spinup} cycles"


def _glance(run: Scores) -> dict[str, dict[str, float | int | None]]:
    """Numbers of each group over the scored cycles and all its variables and levels."""
    if run.observations is None:
        return {}
    table = {}
    for row in run.observations.cycles:
        cycles = {k: v[run.scored] for k, v in row.items() if isinstance(v, np.ndarray)}
        used = np.nansum(cycles["used"])
        rejections = {c: int(np.nansum(cycles[c])) for c in CHECKS if c in cycles}
        missing = row["count"] * len(cycles["used"]) - used - sum(rejections.values())
        table[row["group"]] = {
            "count": row["count"],
            "used": int(used),
            "missing": int(missing),
            **rejections,
            "rms": _mean_over_values(cycles, "background_rms"),
            "analysis_rms": _mean_over_values(cycles, "analysis_rms"),
        }
    return table


def _mean_over_values(cycles: Mapping[str, np.ndarray], name: str) -> float | None:
    """The root mean square over all used values from those of every cycle."""
    used = cycles["used"] > 0
    squares, weights = cycles[name][used] ** 2, cycles["used"][used]
    if not used.any() or not np.isfinite(squares).all():
        return None
    return float(np.sqrt(np.average(squares, weights=weights)))


def _names(columns: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [name for part in columns.values() for name in part]


def _used_columns(
    columns: Mapping[str, Mapping[str, str]], lines: Sequence[Line]
) -> dict[str, dict[str, str]]:
    """Columns without those that say nothing: no numbers, or no missing values."""
    idle = {"missing": {number(None), "0"}}

    def says(name: str) -> bool:
        return any(line.numbers[name] not in idle.get(name, {number(None)}) for line in lines)

    parts = {part: {n: t for n, t in heads.items() if says(n)} for part, heads in columns.items()}
    return {part: heads for part, heads in parts.items() if heads}


def _text(value: float | int | None) -> str:
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else number(value)
