"""A scenario's system, made from its name and settings."""

from typing import Any

import numpy as np
from jaxtyping import Float

from dabench.core.layout import Layout
from dabench.scenario import plugins, settings
from dabench.scenario.load import system_settings
from dabench.scenario.scenario import Scenario
from dabench.scenario.validate import report
from dabench.systems import COSTS, CYCLE_SECONDS, LAND, LAYOUTS
from dabench.systems.base import ModelCost, System


def system(scenario: Scenario) -> System:
    """The system of a scenario; UserError with the line of every wrong setting."""
    return plugins.factory("systems", scenario.system.name)(**_arguments(scenario))


def layout(scenario: Scenario) -> Layout:
    """The layout of a scenario's system, as far as it is known without files to be fetched."""
    if scenario.system.name not in LAYOUTS:
        return system(scenario).layout
    return plugins.find(LAYOUTS[scenario.system.name])(**_arguments(scenario))


def cycle_seconds(scenario: Scenario) -> float:
    """Seconds from a cycle of a scenario's system to the next, as far as files are not needed."""
    if scenario.system.name not in CYCLE_SECONDS:
        return system(scenario).cycle_seconds
    return float(plugins.find(CYCLE_SECONDS[scenario.system.name]))


def land(scenario: Scenario) -> Float[np.ndarray, "point"]:
    """The share of land at every point of a scenario whose system is in `LAND`.

    UserError where it is in files that are not here.
    """
    return plugins.find(LAND[scenario.system.name])(**_arguments(scenario))


def cost(scenario: Scenario) -> ModelCost:
    """What the model of a scenario takes whose system is in `COSTS`, without its files."""
    count = plugins.find(COSTS[scenario.system.name])
    return count(cycles=scenario.period.cycles, **_arguments(scenario))


def _arguments(scenario: Scenario) -> dict[str, Any]:
    """Arguments for the factory of a scenario's system; UserError for wrong settings."""
    checked, problems = system_settings(scenario.plain())
    if checked is None or problems:
        raise report(scenario.document, problems)
    return settings.arguments(checked)
