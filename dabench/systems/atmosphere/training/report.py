"""The report on a network: what it was accepted for, and the tables behind that."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from dabench.systems.atmosphere.training.assimilation import guided_cycles
from dabench.systems.atmosphere.training.skill import FreeRun, Rows, States, free_run, one_step
from dabench.systems.atmosphere.training.symmetry import symmetry
from dabench.systems.base import System

RANGED = ("geopotential", "temperature", "u_component_of_wind", "v_component_of_wind")
KEPT = ("mean_sea_level_pressure", "specific_humidity")  # whose global means must not drift


def write(
    folder: Path,
    system: System,
    states: States,
    cases: int = 12,
    members: int = 8,
    days: int = 20,
    probes: int = 8,
    cycles: int = 8,
) -> dict[str, Rows]:
    """Measure, and write report.json and report.md into `folder`, next to the weights.

    Arguments:
        states: Consecutive states that are never scored elsewhere.
        cases: Forecasts of 12 hours, each with `members`.
        days: Length of the free run.
        probes: Random directions in which J C is tried.
        cycles: Cycles of the guided ensemble.
    """
    skill = one_step(system, states, cases, members)
    run = free_run(system, states, members, days)
    cycled = guided_cycles(system, states, 2 * members, cycles)
    tables = {
        "acceptance": acceptance(skill, run, cycled),
        "skill": skill,
        "free run by day": run.days,
        "free run by channel": run.channels,
        "guided cycles": cycled,
        "symmetry": symmetry(system, states[[0, 1]], probes),
    }
    (folder / "report.json").write_text(json.dumps(tables, indent=1) + "\n")
    head = _HEAD.format(name=system.name)
    (folder / "report.md").write_text(head + "\n".join(map(_section, tables.items())))
    return tables


def acceptance(skill: Rows, run: FreeRun, cycled: Rows) -> Rows:
    """What a network must achieve, and what this one does: the worst variable decides."""
    ranged = [row for row in skill if row["variable"] in RANGED]
    deviations = variables(run.channels, "sd").values()
    power = [v for row in run.channels for k, v in row.items() if k.startswith("degree_")]
    ratios = variables(skill, "over_persistence")
    return [
        *(
            _at_most(f"12-hour RMSE over persistence, {name}", 0.45, ratios[name])
            for name in RANGED
        ),
        _between("8-member spread over skill, least", 0.9, 1.2, least(ranged, "spread_skill")),
        _between("8-member spread over skill, greatest", 0.9, 1.2, most(ranged, "spread_skill")),
        _between("free run's deviation, least variable", 0.9, 1.1, min(deviations)),
        _between("free run's deviation, greatest variable", 0.9, 1.1, max(deviations)),
        _between("free run's power by band, least", 0.8, 1.2, min(power)),
        _between("free run's power by band, greatest", 0.8, 1.2, max(power)),
        *(
            _at_most(f"drift of the global mean, {name}", 0.1, drift)
            for name, drift in variables(run.channels, "drift").items()
            if name in KEPT
        ),
        _at_most(
            f"guided temperature over climate, cycle {cycled[-1]['cycle']}",
            0.05,
            cycled[-1]["temperature"],
        ),
    ]


def variables(rows: Rows, column: str) -> dict[str, float]:
    """A column's mean over the levels of each variable."""
    names = dict.fromkeys(row["variable"] for row in rows)
    return {
        name: float(np.mean([row[column] for row in rows if row["variable"] == name]))
        for name in names
    }


def least(rows: Rows, column: str) -> float:
    """The smallest value of a column."""
    return min(row[column] for row in rows)


def most(rows: Rows, column: str) -> float:
    """The largest value of a column."""
    return max(row[column] for row in rows)


def _at_most(what: str, limit: float, value: float) -> dict[str, Any]:
    return {"what": what, "limit": f"<= {limit}", "value": value, "met": yes(value <= limit)}


def _between(what: str, low: float, high: float, value: float) -> dict[str, Any]:
    limit = f"{low} to {high}"
    return {"what": what, "limit": limit, "value": value, "met": yes(low <= value <= high)}


def yes(met: bool) -> str:
    """The word for it."""
    return "yes" if met else "no"


_HEAD = """# Validation of {name}'s GenCast

Written by `dabench train {name}`; definitions are in `dabench.systems.atmosphere.training`.
"""


def _section(table: tuple[str, Rows]) -> str:
    name, rows = table
    lines = [f"\n## {name}\n", "| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    for row in rows:
        cells = ["" if v is None else v if isinstance(v, str) else f"{v:.3g}" for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
