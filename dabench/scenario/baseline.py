"""A baseline: a method with its settings, read from YAML and checked by the filter's factory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dabench.core.digest import sha256
from dabench.core.errors import UserError
from dabench.scenario import catalogue, plugins, settings, yamlfile
from dabench.scenario.locations import Count
from dabench.scenario.scenario import Choice, Scenario
from dabench.scenario.validate import InputProblem, Strict, report, suggest, validate
from dabench.scenario.yamlfile import Document, Keys

DEFAULT_METHODS = ("fa_apf", "ensemble", "letkf", "bootstrap")
"""Methods that `dabench run` runs by default, as far as the system allows."""

ProfileName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=60)]
"""Name of a profile, which becomes part of the name of a folder of results."""


class Profile(Strict):
    """Another set of values; those that it does not give stay.

    Arguments:
        members: Ensemble size.
        filter: Settings of the filter.
    """

    members: Count | None = None
    filter: dict[str, Any] = Field(default_factory=dict)


class TunedTrial(Strict):
    """One choice of settings that was tried.

    Arguments:
        objective: Objective, the smaller the better; null where there is none.
        status: Status of the run.
        settings: Settings that were searched; empty for the baseline as it was.
        evaluations: Denoiser evaluations of all members and cycles, a Jacobian product being two.
    """

    objective: float | None
    status: str
    settings: dict[str, Any]
    evaluations: int | None = None


class Tuned(Strict):
    """How the settings were found, as `dabench tune` writes it.

    Arguments:
        metric: Metric that the objective averages.
        period: Period of the search, where it differs from the scenario's; none of it is scored.
        scenario: Digest of the scenario.
        commit: Commit of dabench.
        best: The smallest objective.
        trials: All settings that were tried.
        space: Values and ranges that were searched, by setting.
        evaluations: Denoiser evaluations of all trials, a Jacobian product being two.
        budget: Number of them after which no trial began.
    """

    metric: str
    period: dict[str, Any]
    scenario: str
    commit: str
    best: float
    trials: tuple[TunedTrial, ...]
    space: dict[str, str] = Field(default_factory=dict)
    evaluations: int | None = None
    budget: int | None = None


class BaselineFile(Strict):
    """Content of a baseline's file.

    Arguments:
        members: Ensemble size.
        filter: Name and settings of the filter.
        profiles: Named sets of other values.
        reference: Source of the values.
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
        name: Name of the method in tables and in the folders of results.
        filter: Name of the filter.
        members: Ensemble size.
        settings: Settings of the filter, defaults written out, as plain data.
        arguments: The settings as arguments of the filter's factory.
        profile: Profile of the file that was used.
        reference: Source of the values.
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
    """A method by its name or from a file.

    A scenario's own file comes before one of its folder, and that before the general one.

    Arguments:
        name: Name of the method, path of its file, or `my_package:my_filter` of a factory.
        scenario: The scenario or its name.
        overrides: Settings in place of the file's: `ess=[0.5, 0.9]`, `sampler.levels=20`.
        profile: Profile of the file to use.
        members: Ensemble size in place of the file's.
    Raises: UserError with every problem of the file, of all its profiles, and of the overrides.
    """
    scenario = scenario if isinstance(scenario, str) else scenario.name
    if plugins.is_place(name):
        label, document = _label_of(name), _without_file(name, scenario)
    else:
        path = file_of(name, scenario)
        label, document = (
            catalogue.name_of("baselines", path).rsplit("/", 1)[-1],
            yamlfile.read(path),
        )
    check(document)
    if profile is not None:
        document = _with_profile(document, profile)
    for text in overrides:
        document = _with_override(document, text)
    if members is not None:
        document = _with(document, ("members",), members, "--members")
    return _baseline(label, document, profile)


def _label_of(place: str) -> str:
    """The factory's name, with its module's before it where a filter of ours has that name."""
    module, _, name = place.partition(":")
    return f"{module}.{name}" if name in plugins.registry("filters") else name


def _without_file(place: str, scenario: str) -> Document:
    """The defaults of the factory at a place, with as many members as the free ensemble has."""
    plugins.factory("filters", place)
    reference = yamlfile.read(file_of("ensemble", scenario)).data
    data = {"members": reference["members"], "filter": {"name": place}}
    return Document(place, data, {(): "its defaults"})


def file_of(name: str, scenario: str) -> Path:
    """The file with a method's settings for a scenario."""
    return catalogue.find("baselines", _own_or_general(name, scenario))


def check(document: Document) -> None:
    """Check a baseline's file; UserError with every problem, of all its profiles too."""
    content, problems = validate(BaselineFile, document.data)
    problems = problems or _settings_problems(document)
    if content is None or problems:
        raise report(document, problems)


def from_settings(name: str, filter_name: str, values: Mapping[str, Any], members: int) -> Baseline:
    """A method as a result describes it; UserError where the filter does not take the settings.

    Arguments:
        name: Name of the method.
        filter_name: Name of the filter.
        values: Settings of the filter.
        members: Ensemble size.
    """
    data = {"members": members, "filter": {"name": filter_name, **values}}
    return _baseline(name, Document(f"result of {name}", data, {(): "-"}), None)


def methods(scenario: str) -> list[str]:
    """Names of all methods that have a baseline for a scenario."""
    folders = {*_folders(scenario)}
    split = (name.rpartition("/") for name in catalogue.names("baselines"))
    return sorted({method for folder, _, method in split if folder in folders})


def _folders(scenario: str) -> list[str]:
    """Folders of a scenario's baselines, its own first: `era5/temp_4deg`, `era5`, the general."""
    parts = scenario.split("/") if scenario else []
    return ["/".join(parts[:i]) for i in range(len(parts), -1, -1)]


def _own_or_general(name: str, scenario: str) -> str:
    """The name of a method's file, a scenario's own before more general ones; paths stay."""
    if catalogue.is_path(name):
        return name
    if name not in methods(scenario):
        raise UserError(
            f"unknown method {name!r}; {suggest(name, methods(scenario))}. "
            f"A method of your own is a file baselines/{name}.yaml, or a path to one"
        )
    files = catalogue.names("baselines")
    candidates = (f"{folder}/{name}".lstrip("/") for folder in _folders(scenario))
    return next(candidate for candidate in candidates if candidate in files)


def _settings_problems(document: Document) -> list[InputProblem]:
    """Problems of the filter's settings, as they are and in every profile."""
    checked, problems = settings.check("filters", document.data["filter"], ("filter",))
    if checked is None:
        return problems
    for profile in document.data.get("profiles", {}):
        changed = _with_profile(document, profile)
        path = ("profiles", profile, "filter")
        if changed.data["filter"]["name"] != document.data["filter"]["name"]:
            problems.append(InputProblem((*path, "name"), "a profile cannot name another filter"))
        else:
            more = settings.check("filters", changed.data["filter"], path)[1]
            problems += [p for p in more if p not in problems]
    return problems


def _baseline(name: str, document: Document, profile: str | None) -> Baseline:
    """The method of a document without profiles."""
    content, problems = validate(BaselineFile, document.data)
    checked, more = settings.check("filters", document.data["filter"], ("filter",))
    if content is None or checked is None or problems or more:
        raise report(document, [*problems, *more])
    return Baseline(
        name=name,
        filter=content.filter.name,
        members=content.members,
        settings=checked.model_dump(mode="json"),
        arguments=settings.arguments(checked),
        profile=profile,
        reference=content.reference,
        tuned=content.tuned,
    )


def _with_profile(document: Document, name: str) -> Document:
    """The document with a profile's values in place of its own."""
    data = dict(document.data)
    profiles = data.pop("profiles", {})
    if name not in profiles:
        hint = suggest(name, profiles)
        raise UserError(f"{document.source}: has no profile {name!r}; {hint}")
    path = ("profiles", name)
    moved = {k[2:]: v for k, v in document.lines.items() if k[:2] == path and len(k) > 2}
    return Document(document.source, _merged(data, profiles[name]), document.lines | moved)


def _merged(old: Any, new: Any) -> Any:
    """The new value; of two mappings, the old one with new values entry by entry."""
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
