"""Digests that tell whether two runs are of one problem, and of one setting of a method."""

from collections.abc import Mapping
from typing import Any

from dabench.core.digest import sha256


def settings_digest(run: Mapping[str, Any]) -> str:
    """sha256 of filter, settings and ensemble size, as `Baseline.digest`."""
    return sha256({name: run[name] for name in ("filter", "settings", "members")})


def problem(run: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """What all rows of a board share: scenario and system with digests, version of the metrics."""
    scenario, system = run["scenario"], run["system"]
    return (
        scenario["name"],
        scenario["digest"],
        system["name"],
        system["digest"],
        run["metric_version"],
    )
