"""Digests that tell whether two runs are of one problem, and of one setting of a method."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def settings_digest(run: Mapping[str, Any]) -> str:
    """sha256 of filter, settings and ensemble size, as `Baseline.digest`."""
    shown = {name: run[name] for name in ("filter", "settings", "members")}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


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
