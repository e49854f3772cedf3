"""A baseline: a method with its settings, read from YAML and checked by the filter's factory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dabench.core.digest import sha256
from dabench.core.errors import UserError
from dabench.scenario import catalogue, settings, yamlfile
from dabench.scenario.locations import Count
from dabench.scenario.scenario import Choice, Scenario
from dabench.scenario.validate import InputProblem, Strict, report, suggest, validate
from dabench.scenario.yamlfile import Document, Keys

DEFAULT_METHODS = ("fa_apf", "ensemble", "letkf", "bootstrap")
"""What `dabench run` runs if it is not told, as far as the system allows."""

ProfileName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=60)]
"""Part of the name of a folder of results."""


class Profile(Strict):
    """Another set of values: what it does not give stays.

    Arguments:
        members: Ensemble size.
        filter: Settings.
    """

    members: Count | None = None
    filter: dict[str, Any] = Field(default_factory=dict)


class TunedTrial(Strict):
    """One choice of settings that was tried.

    Arguments:
        objective: The smaller the better; null where there is none.
        status: Of the run.
        settings: Those that were searched; none: the baseline as it was.
    """

    objective: float | None
    status: str
    settings: dict[str, Any]


class Tuned(Strict):
    """How the settings were found, as `dabench tune` writes it.

    Arguments:
        metric: What the objective averages.
        period: Where it differs from the scenario, which scores none of it.
        scenario: Digest.
        commit: Of dabench.
        best: The smallest objective.
        trials: All that were tried.
    """

    metric: str
    period: dict[str, Any]
    scenario: str
    commit: str
    best: float
    trials: tuple[TunedTrial, ...]


class BaselineFile(Strict):
    """What a baseline's file holds.

    Arguments:
        members: Ensemble size.
        filter: Name and settings.
        profiles: Named sets of other values.
        reference: Where the values come from.
        tuned: The search that found them.
    """

    members: Count
    filter: Choice
    profiles: dict[ProfileName, Profile] = Field(default_factory=dict)
    reference: str = ""
    tuned: Tuned | None = None


@dataclass(frozen=True)
class Baseline:
    """A method that is ready to be tried.

    Arguments:
        name: As in tables and in the folders of results.
        filter: Name of the filter.
        members: Ensemble size.
        settings: Of the filter, defaults written out, as plain data.
        arguments: The same as the factory takes them.
        profile: The file's profile that was used.
        reference: Where the values come from.
        tuned: The search that found them, where there was one.
    """

    name: str
    filter: str
    members: int
    settings: Mapping[str, Any]
    arguments: Mapping[str, Any] = field(repr=False)
    profile: str | None = None
    reference: str = ""
    tuned: Tuned | None = None

    @property
    def digest(self) -> str:
        """sha256 of filter, settings and ensemble size."""
        content = {"filter": self.filter, "settings": self.settings, "members": self.members}
        return sha256(content)


def load_baseline(
    name: str,
    scenario: Scenario | str,
    overrides: Sequence[str] = (),
    *,
    profile: str | None = None,
    members: int | None = None,
) -> Baseline:
    """A method by name (the scenario's own file, its folder's, the general one) or from a file.

    UserError with every problem of the file, of all its profiles, or of what is changed.

    Arguments:
        scenario: The scenario or its name.
        overrides: `key=value` for the filter's settings: `ess=[0.5, 0.9]`, `sampler.levels=20`.
        profile: One of the file's.
        members: In place of the file's.
    """
    scenario = scenario if isinstance(scenario, str) else scenario.name
    path = file_of(name, scenario)
    document = yamlfile.read(path)
    check(document)
    if profile is not None:
        document = _with_profile(document, profile)
    for text in overrides:
        document = _with_override(document, text)
    if members is not None:
        document = _with(document, ("members",), members, "--members")
    label = catalogue.name_of("baselines", path).rsplit("/", 1)[-1]
    return _baseline(label, document, profile)


def file_of(name: str, scenario: str) -> Path:
    """Where a method's settings for a scenario stand."""
    return catalogue.find("baselines", _own_or_general(name, scenario))


def check(document: Document) -> None:
    """UserError with every problem of a baseline's file, of all its profiles."""
    entry, problems = validate(BaselineFile, document.data)
    problems = problems or _settings_problems(document)
    if entry is None or problems:
        raise report(document, problems)


def from_settings(name: str, filter_name: str, given: Mapping[str, Any], members: int) -> Baseline:
    """A method from what a result says of it; UserError where the filter does not take that."""
    data = {"members": members, "filter": {"name": filter_name, **given}}
    return _baseline(name, Document(f"result of {name}", data, {(): "-"}), None)


def methods(scenario: str) -> list[str]:
    """Names of all methods that have a baseline for a scenario."""
    homes = {*_homes(scenario)}
    split = (name.rpartition("/") for name in catalogue.names("baselines"))
    return sorted({method for home, _, method in split if home in homes})


def _homes(scenario: str) -> list[str]:
    """Folders of a scenario's baselines, its own first: `era5/temp_4deg`, `era5`, the general."""
    parts = scenario.split("/") if scenario else []
    return ["/".join(parts[:i]) for i in range(len(parts), -1, -1)]


def _own_or_general(name: str, scenario: str) -> str:
    if catalogue.is_path(name):
        return name
    if name not in methods(scenario):
        raise UserError(
            f"unknown method {name!r}; {suggest(name, methods(scenario))}. "
            f"A method of your own is a file baselines/{name}.yaml, or a path to one"
        )
    known = catalogue.names("baselines")
    found = (f"{home}/{name}".lstrip("/") for home in _homes(scenario))
    return next(place for place in found if place in known)


def _settings_problems(document: Document) -> list[InputProblem]:
    """What is wrong with the filter's settings, as they are and in every profile."""
    checked, problems = settings.check("filters", document.data["filter"], ("filter",))
    if checked is None:
        return problems
    for profile in document.data.get("profiles", {}):
        changed = _with_profile(document, profile)
        home = ("profiles", profile, "filter")
        if changed.data["filter"]["name"] != document.data["filter"]["name"]:
            problems.append(InputProblem((*home, "name"), "a profile cannot name another filter"))
        else:
            more = settings.check("filters", changed.data["filter"], home)[1]
            problems += [p for p in more if p not in problems]
    return problems


def _baseline(name: str, document: Document, profile: str | None) -> Baseline:
    """The method of a document without profiles."""
    entry, problems = validate(BaselineFile, document.data)
    checked, more = settings.check("filters", document.data["filter"], ("filter",))
    if entry is None or checked is None or problems or more:
        raise report(document, [*problems, *more])
    return Baseline(
        name=name,
        filter=entry.filter.name,
        members=entry.members,
        settings=checked.model_dump(mode="json"),
        arguments=settings.arguments(checked),
        profile=profile,
        reference=entry.reference,
        tuned=entry.tuned,
    )


def _with_profile(document: Document, name: str) -> Document:
    """The document with a profile's values in place of its own."""
    data = dict(document.data)
    profiles = data.pop("profiles", {})
    if name not in profiles:
        known = suggest(name, profiles)
        raise UserError(f"{document.source}: has no profile {name!r}; {known}")
    here = ("profiles", name)
    moved = {k[2:]: v for k, v in document.lines.items() if k[:2] == here and len(k) > 2}
    return Document(document.source, _merged(data, profiles[name]), document.lines | moved)


def _merged(old: Any, new: Any) -> Any:
    """Mappings entry by entry, anything else replaced."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {k: _merged(old.get(k), v) for k, v in new.items()}


def _with_override(document: Document, text: str) -> Document:
    """The document with one `key=value` of the command line."""
    key, equals, value = text.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        raise UserError(f"--set {text}: is not of the form key=value, such as sampler.levels=20")
    if path == ("name",):
        raise UserError(f"--set {text}: the filter itself cannot be changed; use another method")
    parsed = yamlfile.parse(value or "''", f"--set {text}").data
    return _with(document, ("filter", *path), parsed, "--set")


def _with(document: Document, path: Keys, value: Any, label: str) -> Document:
    """The document with another value at a path, which is made where there is none."""
    new: Any = value
    for key in reversed(path):
        new = {key: new}
    lines = {k: v for k, v in document.lines.items() if k[: len(path)] != path}
    lines |= {path[: i + 1]: label for i in range(min(1, len(path) - 1), len(path))}
    return Document(document.source, _merged(document.data, new), lines)
