"""Systems made of scenarios: they are those that the published results were made with."""

import json
from pathlib import Path

import pytest

from dabench.scenario import plugins
from dabench.scenario.scenario import Scenario
from dabench.systems import DIGESTS, make

RESULTS = Path(__file__).parents[2] / "leaderboard" / "results"
PUBLISHED = sorted(path.relative_to(RESULTS) for path in RESULTS.glob("*/*") if path.is_dir())
EMBEDDED = [path for path in PUBLISHED if path.name in DIGESTS]
TOYS = [path for path in PUBLISHED if path.name not in DIGESTS]


def published(folder: Path) -> tuple[Scenario, str]:
    """The scenario of a folder of results, and the digest of its system."""
    file = min((RESULTS / folder).glob("*.json"))
    run = json.loads(file.read_bytes())["runs"][0]
    settings = {key: value for key, value in run["scenario"].items() if key != "digest"}
    return Scenario.model_validate(settings), run["system"]["digest"]


@pytest.mark.parametrize("folder", TOYS, ids=str)
def test_the_digest_of_a_toy_is_the_published_one(folder):
    scenario, digest = published(folder)
    assert make.system(scenario).digest == digest


@pytest.mark.parametrize("folder", EMBEDDED, ids=str)
def test_the_digest_of_an_embedded_atmosphere_is_the_published_one(folder):
    scenario, digest = published(folder)
    digest_of = plugins.find(DIGESTS[scenario.system.name])
    assert digest_of(**scenario.system.settings) == digest
