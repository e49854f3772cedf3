"""A scenario: the problem that every method is given, read from YAML, checked and frozen."""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from dabench import library, settings, yamlfile
from dabench.errors import UserError
from dabench.explain import Problem, Strict, report, validate
from dabench.stations import Count, Every, Locations, Misfit, Seed, Withhold, read_stations
from dabench.yamlfile import Document, Key, Keys

if TYPE_CHECKING:
    from dabench.observe import Network
    from dabench.systems.base import Layout, System

Positive = Annotated[float, Field(gt=0)]

FOR_SYSTEM = ("start", "offset")
"""Entries of `period` that are handed to the system's factory."""


class Group(Strict):
    """Observations of one kind: what, where, how well.

    Arguments:
        name: Different for every group; part of what the noise is keyed by.
        variables: Names in the system's state, or wind_speed; none means all of them.
        levels: `surface`, `all`, or pressures in hPa.
        locations: Where.
        error_std: In the units of the variables; one number, or one for each level.
        withhold: What is kept from the methods, to verify them.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)] = "all"
    variables: tuple[str, ...] = ()
    levels: Annotated[tuple[Literal["surface", "all"] | Positive, ...], Field(min_length=1)] = (
        "all",
    )
    locations: Locations = Every(every=1)
    error_std: (
        Positive | Annotated[dict[Literal["surface"] | Positive, Positive], Field(min_length=1)]
    )
    withhold: Withhold | None = None

    @model_serializer(mode="wrap")
    def _plain(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `withhold` where nothing is, so that digests are as if there were no such key."""
        found = write(self)
        return {k: v for k, v in found.items() if k != "withhold" or v is not None}


class Choice(BaseModel):
    """A system or filter by name, with settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Period(Strict):
    """How long, and from when on.

    Arguments:
        cycles: Number of assimilation cycles.
        spinup: So many of the first are left out of the scores.
        start: ISO time of cycle 0, where the system has a calendar.
        offset: Cycles into the system's verification trajectory, where it has one.
    """

    cycles: Count
    spinup: Annotated[int, Field(ge=0)] = 0
    start: str | None = None
    offset: Annotated[int, Field(ge=0)] | None = None

    @field_validator("start")
    @classmethod
    def _is_a_time(cls, start: str | None) -> str | None:
        try:
            return start and datetime.fromisoformat(start).isoformat()
        except ValueError:
            raise ValueError(f"{start!r} is not an ISO time such as 2019-01-01T00:00") from None

    @model_validator(mode="after")
    def _is_consistent(self) -> "Period":
        if self.spinup >= self.cycles:
            raise ValueError(f"spinup {self.spinup} leaves nothing of {self.cycles} cycles")
        return self


class Copies(Strict):
    """Every member is the truth."""

    kind: Literal["truth"]


class Perturbed(Strict):
    """The truth with a perturbation of its own for every member.

    Arguments:
        amplitude: In climatological standard deviations, or in state units of toy systems.
    """

    kind: Literal["perturbed"]
    amplitude: Positive


class Climatological(Strict):
    """States of the system's climate."""

    kind: Literal["climatological"]


class Prior(Strict):
    """Draws from the law that the truth starts from, where the system has one."""

    kind: Literal["prior"]


class Scenario(Strict):
    """What is to be estimated, from what, for how long; not by which method.

    Arguments:
        name: Of the file; results lie in a folder of this name.
        title: One line for tables.
        source: Where the problem comes from.
        system: Name and settings.
        observations: Groups with different names.
        period: How long.
        initial: The members at cycle 0.
        seed: Of truth, observation noise, initial members and methods.
    """

    name: Annotated[str, Field(json_schema_extra={"readOnly": True})] = "unnamed"
    title: str = ""
    source: str = ""
    system: Choice
    observations: Annotated[tuple[Group, ...], Field(min_length=1)]
    period: Period
    initial: Annotated[Copies | Perturbed | Climatological | Prior, Field(discriminator="kind")] = (
        Copies(kind="truth")
    )
    seed: Seed = 0
    _document: Document | None = PrivateAttr(None)

    @field_validator("observations")
    @classmethod
    def _have_names_of_their_own(cls, groups: tuple[Group, ...]) -> tuple[Group, ...]:
        names = [g.name for g in groups]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"two groups are named {twice[0]!r}; each needs a name of its own")
        return groups

    @property
    def digest(self) -> str:
        """sha256 of the problem: all but name, title, source and seed, defaults written out."""
        content = self.model_dump(mode="json", exclude={"name", "title", "source", "seed"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def plain(self) -> dict[str, Any]:
        """Everything as JSON has it; `Scenario.model_validate` turns it back."""
        return self.model_dump(mode="json")

    def make_system(self) -> "System":
        """The system with its settings; UserError where they are wrong."""
        checked, problems = _system_settings(self.plain())
        if checked is None or problems:
            raise report(self._where, problems)
        return settings.factory("systems", self.system.name)(**settings.arguments(checked))

    def layout(self) -> "Layout":
        """Of the system, as far as it can be told without files that have to be fetched."""
        from dabench.systems import LAYOUTS

        if self.system.name not in LAYOUTS:
            return self.make_system().layout
        return settings.find(LAYOUTS[self.system.name])(**self.system.settings)

    def network(self, layout: "Layout") -> "Network":
        """The observations on a system's grid; UserError, with the line, where they do not fit."""
        return self._networks(layout)[0]

    def withheld(self, layout: "Layout") -> "Network | None":
        """The observations that no method is given; None where there are none."""
        return self._networks(layout)[1]

    def _networks(self, layout: "Layout") -> "tuple[Network, Network | None]":
        from dabench.observe import build, build_withheld

        try:
            return build(self.observations, layout), build_withheld(self.observations, layout)
        except Misfit as e:
            raise report(self._where, [Problem(e.path, e.problem)]) from None

    def change(
        self, *, cycles: int | None = None, seed: int | None = None, system: str | None = None
    ) -> "Scenario":
        """The same with other cycles, seed or system (`lorenz96` or `{name: lorenz96, size: 8}`).

        The spin-up shrinks to half of the cycles where it would leave fewer.
        """
        data, lines = self.plain(), dict(self._where.lines)
        if cycles is not None:
            spinup = min(self.period.spinup, max(cycles, 0) // 2)
            data["period"] |= {"cycles": cycles, "spinup": spinup}
            lines["period", "cycles"] = "--cycles"
        if seed is not None:
            data["seed"] = seed
            lines["seed",] = "--seed"
        if system is not None:
            data["system"] = yamlfile.parse(system, "--system").data
            data["period"] |= dict.fromkeys(FOR_SYSTEM)
            if isinstance(data["system"], str):
                data["system"] = {"name": data["system"]}
            lines = {k: v for k, v in lines.items() if k[:1] != ("system",)}
            lines["system",] = "--system"
        return _checked(Document(self._where.source, data, lines))

    @property
    def _where(self) -> Document:
        return self._document or Document(f"scenario {self.name}", self.plain(), {(): "-"})


def with_changes(scenario: Scenario, changes: dict[str, Any]) -> Scenario:
    """The same scenario with other values at dotted paths such as `observations.0.error_std`.

    UserError where a path leads nowhere or the result is no scenario.
    """
    data = scenario.plain()
    for name, value in changes.items():
        keys: list[Any] = [int(key) if key.isdigit() else key for key in name.split(".")]
        *path, last = keys
        here: Any = data
        try:
            for key in path:
                here = here[key]
            _ = here[last] if isinstance(here, list) else dict(here)
            here[last] = value
        except (LookupError, TypeError, ValueError):
            raise UserError(f"{scenario.name}: has no {name} that could be set") from None
    return _checked(Document(f"scenario {scenario.name}, changed", data, {(): "-"}))


def load_scenario(path_or_name: str | Path) -> Scenario:
    """A scenario from a file, or by its name from the known folders `scenarios`.

    UserError with every problem that the file has.
    """
    path = library.find("scenarios", str(path_or_name))
    document = yamlfile.read(path)
    data = document.data
    if isinstance(data, dict):
        if "name" in data:
            text = "unknown; a scenario has the name of its file"
            raise report(document, [Problem(("name",), text)])
        data = {"name": library.name_of("scenarios", path), **_with_stations(data, path.parent)}
    return _checked(Document(document.source, data, document.lines))


def _with_stations(data: dict, folder: Path) -> dict:
    """The same with the stations that files hold written out."""
    groups = data.get("observations")
    if not isinstance(groups, list):
        return data
    groups = [dict(group) if isinstance(group, dict) else group for group in groups]
    for group in groups:
        where = group.get("locations") if isinstance(group, dict) else None
        if isinstance(where, dict) and isinstance(where.get("file"), str) and len(where) == 1:
            group["locations"] = {"points": read_stations(folder / where["file"])}
    return data | {"observations": groups}


def _checked(document: Document) -> Scenario:
    """The scenario of a document, with the defaults of its system's settings written out."""
    scenario, problems = validate(Scenario, document.data)
    checked, more = _system_settings(document.data)
    if scenario is None or checked is None or problems or more:
        raise report(document, [*problems, *more])
    values = checked.model_dump(mode="json")
    period = scenario.period.model_copy(
        update={k: values.pop(k) for k in FOR_SYSTEM if k in values}
    )
    system = Choice.model_validate({"name": scenario.system.name, **values})
    scenario = scenario.model_copy(update={"system": system, "period": period})
    scenario._document = document
    return scenario


def _system_settings(data: Any) -> tuple[BaseModel | None, list[Problem]]:
    """The system's settings, `FOR_SYSTEM` among them, and what is wrong with them."""
    choice, period = (data.get(k) if isinstance(data, dict) else None for k in ("system", "period"))
    period = period if isinstance(period, dict) else {}
    if not isinstance(choice, dict):
        return None, []
    given = {k: period[k] for k in FOR_SYSTEM if period.get(k) is not None}
    twice = [Problem(("system", k), "belongs in period") for k in FOR_SYSTEM if k in choice]
    elsewhere: dict[Key, Keys] = {k: ("period", k) for k in given}
    choice = {k: v for k, v in choice.items() if k not in FOR_SYSTEM}
    checked, problems = settings.check("systems", choice | given, ("system",), elsewhere)
    return checked, [*twice, *problems]
