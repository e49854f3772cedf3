"""Whether a row still belongs to today's scenario, and where its settings come from."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from dabench.core.errors import UserError
from dabench.leaderboard.row import words
from dabench.scenario import catalogue, yamlfile
from dabench.scenario.baseline import file_of, methods
from dabench.scenario.load import load_scenario
from dabench.scores.record import Scores
from dabench.systems import DIGESTS as SYSTEM_DIGESTS


class Tuning(NamedTuple):
    """The search that found the settings of a row, as the method's file tells of it.

    Arguments:
        metric: What was averaged, in words.
        period: What the period of the search has other than the scenario's.
        trials: Number of settings that were tried.
        best: The smallest objective.
        evaluations: Denoiser evaluations of the search; None where they were not counted.
    """

    metric: str
    period: Mapping[str, Any]
    trials: int
    best: float
    evaluations: int | None = None

    @property
    def sentence(self) -> str:
        """The search in a sentence."""
        period = words({key.rpartition(".")[2]: value for key, value in self.period.items()})
        tried = f"{self.trials} trials, best {self.best:.4g}"
        if self.evaluations:
            tried += f", {self.evaluations:,} denoiser evaluations".replace(",", " ")
        return f"Tuned on another period ({period}): {self.metric}; {tried}."


def tuning_of(run: Scores) -> Tuning | None:
    """How the settings of a run were searched; None where no file of a method tells of that."""
    scenario, method = run.problem.scenario, run.method
    if method not in methods(scenario):
        return None
    data = yamlfile.read(file_of(method, scenario)).data
    return _tuning(data) if _holds(run, data) else None


def _tuning(data: Mapping[str, Any]) -> Tuning | None:
    tuned = data.get("tuned")
    if not tuned:
        return None
    trials, evaluations = len(tuned["trials"]), tuned.get("evaluations")
    return Tuning(tuned["metric"], tuned["period"], trials, tuned["best"], evaluations)


def origin(run: Scores) -> list[str]:
    """Sentences on where the settings of a run come from.

    They are the reference and the tuning in the method's file, or say that the file has other
    settings now; none where there is no file for the method.
    """
    scenario, method = run.problem.scenario, run.method
    if method not in methods(scenario):
        return []
    file = file_of(method, scenario)
    data = yamlfile.read(file).data
    if not _holds(run, data):
        name = catalogue.name_of("baselines", file)
        return [f"These are not the settings that `baselines/{name}.yaml` has now."]
    tuning = _tuning(data)
    texts = (str(data.get("reference", "")), tuning.sentence if tuning else "")
    return [text for text in texts if text]


def _holds(run: Scores, data: Mapping[str, Any]) -> bool:
    """Whether a run was made with all that a method's file says."""
    own = {"members": run.members, "filter": {"name": run.filter, **run.settings}}
    return _within(own, {key: data.get(key) for key in own})


def _within(whole: Any, part: Any) -> bool:
    """Whether plain data contains all of a part."""
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return all(key in whole and _within(whole[key], value) for key, value in part.items())
    return whole == part


@cache
def _digest_now(name: str) -> str | None:
    """Digest that the scenario of a name has now; None if there is none."""
    if name not in catalogue.names("scenarios"):
        return None
    try:
        return load_scenario(name).digest
    except UserError:
        return None


def stale_since(run: Scores) -> str:
    """Why a row is out of date; empty if it is not, or if this cannot be known."""
    now = _digest_now(run.problem.scenario)
    if now not in (None, run.problem.scenario_digest):
        return "the scenario has changed since, or other cycles were asked for"
    system = system_now(json.dumps(run.scenario.get("system"), sort_keys=True))
    if system not in (None, run.problem.system_digest):
        return "the system has changed since: its weights, its data or its settings"
    return ""


@cache
def system_now(system: str) -> str | None:
    """The digest that a system (JSON: name and settings) has now; None where that needs a run."""
    settings = json.loads(system)
    name = settings.pop("name", "") if isinstance(settings, dict) else ""
    if name not in SYSTEM_DIGESTS:
        return None
    module, _, name = SYSTEM_DIGESTS[name].partition(":")
    try:
        return getattr(import_module(module), name)(**settings)
    except (OSError, TypeError):  # other files, or settings of another version
        return None
