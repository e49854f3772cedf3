"""Every baseline of this repository."""

import pytest

from dabench.filters import FILTERS
from dabench.scenario import catalogue
from dabench.scenario.baseline import DEFAULT_METHODS, load_baseline, methods
from dabench.scenario.yamlfile import read

FILES = catalogue.names("baselines")
PROFILES = [
    (name, profile)
    for name, path in FILES.items()
    for profile in read(path).data.get("profiles", {})
]


@pytest.mark.parametrize("name", FILES)
def test_a_baseline_suits_its_filter(name):
    scenario, _, method = name.rpartition("/")
    assert load_baseline(method, scenario).name == method


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_a_profile_suits_its_filter(name, profile):
    scenario, _, method = name.rpartition("/")
    assert load_baseline(method, scenario, profile=profile).profile == profile


def test_every_filter_has_a_baseline():
    assert set(methods("temp_4deg")) == set(FILTERS)


def test_every_folder_is_of_scenarios():
    folders = {name.rpartition("/")[0] for name in FILES} - {""}
    scenarios = catalogue.names("scenarios")
    assert folders <= {*scenarios, *(name.rpartition("/")[0] for name in scenarios)}


def test_default_methods_have_the_profiles_of_the_papers():
    named = {(m, f"paper-{year}") for m in DEFAULT_METHODS for year in (2025, 2026)}
    assert named <= set(PROFILES)
