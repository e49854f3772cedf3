"""A scenario's system, made from its name and settings."""

from dabench.core.layout import Layout
from dabench.scenario import plugins, settings
from dabench.scenario.load import system_settings
from dabench.scenario.scenario import Scenario
from dabench.scenario.validate import report
from dabench.systems import LAYOUTS
from dabench.systems.base import System


def system(scenario: Scenario) -> System:
    """The system of a scenario; UserError with the line of every wrong setting."""
    checked, problems = system_settings(scenario.plain())
    if checked is None or problems:
        raise report(scenario.document, problems)
    return plugins.factory("systems", scenario.system.name)(**settings.arguments(checked))


def layout(scenario: Scenario) -> Layout:
    """The layout of a scenario's system, as far as it is known without files to be fetched."""
    if scenario.system.name not in LAYOUTS:
        return system(scenario).layout
    return plugins.find(LAYOUTS[scenario.system.name])(**scenario.system.settings)
