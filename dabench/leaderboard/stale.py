"""Whether a row still belongs to today's scenario, and where its settings come from."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from dabench.core.errors import UserError
from dabench.leaderboard.row import words
from dabench.scenario import catalogue, yamlfile
from dabench.scenario.baseline import file_of, methods
from dabench.scenario.load import load_scenario
from dabench.scores.record import Scores
from dabench.systems import DIGESTS as SYSTEM_DIGESTS


def origin(run: Scores) -> list[str]:
    """Reference, and the search in a line; or that the file has other settings than the run.

    Nothing where this dabench has no file for the method.
    """
    scenario, method = run.problem.scenario, run.method
    if method not in methods(scenario):
        return []
    file = file_of(method, scenario)
    data = yamlfile.read(file).data
    if not _holds(run, data):
        name = catalogue.name_of("baselines", file)
        return [f"These are not the settings that `baselines/{name}.yaml` has now."]
    return [text for text in (str(data.get("reference", "")), _search(data.get("tuned"))) if text]


def _holds(run: Scores, data: Mapping[str, Any]) -> bool:
    made = {"members": run.members, "filter": {"name": run.filter, **run.settings}}
    return _within(made, {key: data.get(key) for key in made})


def _within(whole: Any, part: Any) -> bool:
    """Whether plain data has all that a part says."""
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return all(key in whole and _within(whole[key], value) for key, value in part.items())
    return whole == part


def _search(tuned: Mapping[str, Any] | None) -> str:
    if not tuned:
        return ""
    period = {key.rpartition(".")[2]: value for key, value in tuned["period"].items()}
    tried = f"{len(tuned['trials'])} trials, best {tuned['best']:.4g}"
    return f"Tuned on another period ({words(period)}): {tuned['metric']}; {tried}."


@cache
def _digest_now(name: str) -> str | None:
    """Of the scenario of this name as it is now; None if there is none."""
    if name not in catalogue.names("scenarios"):
        return None
    try:
        return load_scenario(name).digest
    except UserError:
        return None


def stale_since(run: Scores) -> str:
    """Why a row is stale; nothing if it is not, or if nobody can tell."""
    now = _digest_now(run.problem.scenario)
    if now not in (None, run.problem.scenario_digest):
        return "the scenario has changed since, or other cycles were asked for"
    system = _system_now(json.dumps(run.scenario.get("system"), sort_keys=True))
    if system not in (None, run.problem.system_digest):
        return "the system has changed since: its weights, its data or its settings"
    return ""


@cache
def _system_now(given: str) -> str | None:
    """The digest that a system (JSON: name and settings) has now; None where that needs a run."""
    settings = json.loads(given)
    known = SYSTEM_DIGESTS.get(settings.pop("name", "")) if isinstance(settings, dict) else None
    if known is None:
        return None
    module, _, name = known.partition(":")
    try:
        return getattr(import_module(module), name)(**settings)
    except (OSError, TypeError):  # other files, or settings of another version
        return None
