"""Which methods a figure or table cannot show, and why: none is left out without a word."""

from collections.abc import Sequence

from dabench.entry import METRICS, Entry
from dabench.headlines import Cell
from dabench.plots.pareto import costs_and_skill

KEPT = {"ranks": "rank", "spectra": "spectra"}
"""What figures show, as a run calls it."""


def absent(entries: Sequence[Entry], figure: str, cell: Cell) -> str:
    """A sentence for each reason; nothing if all methods are there.

    Arguments:
        figure: Its name; a metric's is also that of its column.
        cell: That skill against cost is of, without a reference.
    """
    missing: dict[str, list[str]] = {}
    shown = _shown(entries, figure, cell)
    for entry in entries:
        if entry.method not in shown:
            missing.setdefault(_why(entry, figure), []).append(entry.method)
    return " ".join(f"Without {', '.join(names)}: {why}." for why, names in missing.items())


def _shown(entries: Sequence[Entry], figure: str, cell: Cell) -> set[str]:
    if figure == "pareto":
        found = costs_and_skill([run for entry in entries for run in entry.runs], cell)
        return {method for points in (found[0] if found else {}).values() for method in points}
    if figure in KEPT:
        return {e.method for e in entries if any(run[KEPT[figure]] for run in e.runs)}
    return {e.method for e in entries if figure not in METRICS or _has(e, figure)}


def _has(entry: Entry, metric: str) -> bool:
    lines = (line for run in entry.runs for line in run["series"] if line["metric"] == metric)
    return any(value is not None for line in lines for value in line["values"])


def _why(entry: Entry, figure: str) -> str:
    if figure == "spread" and entry.first["members"] == 1:
        return "one member has no spread"
    if figure != "rmse" and not any(run["rank"] for run in entry.runs):
        return "no members were kept"
    return "no such numbers"
