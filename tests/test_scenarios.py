"""Every scenario of this repository."""

import pytest

from dabench import library
from dabench.scenario import Scenario, load_scenario
from dabench.systems.base import Layout

LAYOUTS: dict[str, Layout] = {}


def layout_of(scenario: Scenario) -> Layout:
    """The layout of a scenario's system, which is made once."""
    key = str(scenario.system)
    return LAYOUTS.get(key) or LAYOUTS.setdefault(key, scenario.layout())


@pytest.mark.parametrize("name", library.names("scenarios"))
def test_a_scenario_suits_its_system(name):
    scenario = load_scenario(name)
    assert scenario.title
    assert scenario.source
    network = scenario.network(layout_of(scenario))
    assert network.size == len(network.table)


def test_problems_have_digests_of_their_own():
    digests = {load_scenario(name).digest for name in library.names("scenarios")}
    assert len(digests) == len(library.names("scenarios"))
