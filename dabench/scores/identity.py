"""Which runs are of one problem, and which of one setting of a method."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dabench.core.digest import sha256


class ProblemIdentity(NamedTuple):
    """What runs have to share to be compared, and to share a board."""

    scenario: str
    scenario_digest: str
    system: str
    system_digest: str
    metric_version: str


def problem_of(
    scenario: Mapping[str, Any], system: Mapping[str, Any], metric_version: str
) -> ProblemIdentity:
    """The problem of a run, from the scenario, the system and the metrics that it names."""
    return ProblemIdentity(
        scenario["name"], scenario["digest"], system["name"], system["digest"], metric_version
    )


def settings_digest(filter: str, settings: Mapping[str, Any], members: int) -> str:
    """sha256 of filter, settings and ensemble size, as `Baseline.digest`."""
    return sha256({"filter": filter, "settings": settings, "members": members})
