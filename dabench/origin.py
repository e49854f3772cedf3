"""Where the settings of a row come from, in words: of its method's file, if they stand there."""

from collections.abc import Mapping
from typing import Any

from dabench import library, yamlfile
from dabench.baseline import file_of, methods
from dabench.entry import Run, words


def origin(run: Run) -> list[str]:
    """Reference, and the search in a line; or that the file has other settings than the run.

    Nothing where this dabench has no file for the method.
    """
    scenario, method = str(run["scenario"]["name"]), str(run["method"])
    if method not in methods(scenario):
        return []
    file = file_of(method, scenario)
    data = yamlfile.read(file).data
    if not _holds(run, data):
        name = library.name_of("baselines", file)
        return [f"These are not the settings that `baselines/{name}.yaml` has now."]
    return [text for text in (str(data.get("reference", "")), _search(data.get("tuned"))) if text]


def _holds(run: Run, data: Mapping[str, Any]) -> bool:
    made = {"members": run["members"], "filter": {"name": run["filter"], **run["settings"]}}
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
