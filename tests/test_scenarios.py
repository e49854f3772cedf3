"""Every scenario of this repository."""

import pytest

from dabench.core.layout import Layout
from dabench.observe.network import networks
from dabench.scenario import catalogue
from dabench.scenario.load import load_scenario
from dabench.scenario.scenario import Scenario
from dabench.systems import make

LAYOUTS: dict[str, Layout] = {}


def layout_of(scenario: Scenario) -> Layout:
    """The layout of a scenario's system, which is made once."""
    key = str(scenario.system)
    return LAYOUTS.get(key) or LAYOUTS.setdefault(key, make.layout(scenario))


@pytest.mark.parametrize("name", catalogue.names("scenarios"))
def test_a_scenario_suits_its_system(name):
    scenario = load_scenario(name)
    assert scenario.title
    assert scenario.source
    seconds = make.cycle_seconds(scenario) if scenario.is_real else 0.0
    network = networks(scenario, layout_of(scenario), seconds).assimilated
    assert network.size == len(network.table)


def test_problems_have_digests_of_their_own():
    digests = {load_scenario(name).digest for name in catalogue.names("scenarios")}
    assert len(digests) == len(catalogue.names("scenarios"))
