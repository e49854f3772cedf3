"""What to tune on: the scenario's problem, at another time or with another seed."""

import inspect
from typing import Any

from dabench.core.errors import UserError
from dabench.runs.experiment import Experiment
from dabench.scenario import plugins
from dabench.scenario.load import with_changes
from dabench.scenario.scenario import Scenario

FIRST_SEED = 1000
"""Seeds from here on are for tuning; smaller ones are scored."""
TUNING = "tuning"
"""The setting `truth` of systems that keep a trajectory for tuning."""


def values(
    scenario: Scenario, *, seed: int, cycles: int | None, offset: int | None, start: str | None
) -> dict[str, Any]:
    """The changes, by path, that lead away from what the scenario scores.

    A system whose truth is one long trajectory begins after the scored period, unless where; one
    that has a trajectory for tuning takes that. UserError where nothing leads away.
    """
    if seed < FIRST_SEED:
        raise UserError(f"--seed {seed}: seeds below {FIRST_SEED} are those that are scored")
    period, length = scenario.period, cycles or scenario.period.cycles
    changes: dict[str, Any] = {"seed": seed, "period.cycles": length}
    changes["period.spinup"] = min(period.spinup, length // 2)
    takes = inspect.signature(plugins.factory("systems", scenario.system.name)).parameters
    if "offset" in takes:
        after = (period.offset or 0) + period.cycles + 2
        changes["period.offset"] = after if offset is None else offset
    elif offset is not None:
        raise UserError(f"--offset: {scenario.system.name} takes none")
    if "truth" in takes:
        if scenario.system.settings.get("truth") == TUNING:
            raise UserError(f"system.truth: {scenario.name} scores the trajectory for tuning")
        changes["system.truth"] = TUNING
    if "start" in takes and start is None:
        raise UserError("--start: say when to tune; the scenario's own period is scored")
    if start is not None:
        changes["period.start"] = start
    return {f"scenario.{name}": value for name, value in changes.items()}


def check_apart(scenario: Scenario, changes: dict[str, Any]) -> None:
    """UserError where the truth of both has a frame in common; other seeds have other truths.

    A state has up to two frames, so cycles k to k + n touch frames k to k + n + 1.
    """
    other = with_changes(scenario, {k.partition(".")[2]: v for k, v in changes.items()}).period
    ours = scenario.period
    if ours.offset is not None and other.offset is not None:
        first, last = sorted((p.offset or 0, p.cycles + 2) for p in (ours, other))
        apart = first[0] + first[1] <= last[0]
        where = f"cycles {ours.offset} to {ours.offset + ours.cycles + 1} of the trajectory"
    elif ours.start is not None:
        from dabench.runs.experiment import seconds

        step = Experiment(scenario).system.cycle_seconds
        first, last = sorted((seconds(p.start), (p.cycles + 2) * step) for p in (ours, other))
        apart, where = first[0] + first[1] <= last[0], f"{ours.cycles} cycles from {ours.start}"
    else:
        return
    if not apart:
        raise UserError(f"the tuning period meets the scored one, which is {where}")
