"""A scenario: the problem that every method is given, read from YAML, checked and frozen."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dabench.core.bounds import Level, Positive
from dabench.core.digest import sha256
from dabench.scenario.availability import Availability
from dabench.scenario.checks import Buddies
from dabench.scenario.errors import Correlation, Drawn
from dabench.scenario.locations import (
    Count,
    Every,
    Locations,
    Measured,
    Seed,
    Withhold,
)
from dabench.scenario.validate import Extended, Strict
from dabench.scenario.yamlfile import Document


class Described:
    """Marks a key of a scenario that describes the problem and leaves it as it is."""


Words = Annotated[str, Described()]

YEARS = range(1700, 2200)
"""Years of a start; 64 bits hold the nanoseconds from 1678 to 2262."""

FOR_SYSTEM = ("start", "offset")
"""Entries of `period` that the system's factory takes."""


class Group(Extended):
    """Observations of one kind: variables, levels, locations, errors.

    Arguments:
        name: Name, different for every group; the noise depends on it.
        variables: Names of variables of the state, or of what is computed from them, such as
            wind_speed; none means all of the state's.
        levels: Levels: `surface`, `all`, or pressures in hPa.
        average: Weights of levels, in hPa, whose average is observed in place of the levels one by
            one, as a satellite's channel does; they are divided by their sum.
        locations: Locations of the observations.
        error_std: Standard deviation in the units of the variables; one number, or one for each
            level. Real values may have their own, which go before it.
        withhold: Stations that are kept from the methods, to verify them.
        availability: Cycles in which the stations report; all of them, if nothing is said.
        correlation: Correlation of the errors; independent, if nothing is said.
        reject_above: Departure of a value from the forecast, over its expected standard deviation,
            above which it is kept from the method (background check); no check, if nothing is said.
        buddies: Neighbours by which the background check is reconsidered (buddy check); none, if
            nothing is said.
        drawn: Errors as they are, where they are not as methods assume; withheld observations have
            the errors that are assumed, since they verify.
    """

    LATER: ClassVar[tuple[str, ...]] = (
        "withhold",
        "availability",
        "correlation",
        "drawn",
        "reject_above",
        "buddies",
        "average",
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)] = "all"
    variables: tuple[str, ...] = ()
    levels: Annotated[tuple[Literal["surface", "all"] | Level, ...], Field(min_length=1)] = ("all",)
    average: Annotated[dict[Level, Positive], Field(min_length=1)] | None = None
    locations: Locations = Every(every=1)
    error_std: (
        Positive | Annotated[dict[Literal["surface"] | Level, Positive], Field(min_length=1)] | None
    ) = Field(None, validate_default=True)
    withhold: Withhold | None = None
    availability: Availability | None = None
    correlation: Correlation | None = None
    drawn: Drawn | None = None
    reject_above: Annotated[float, Field(ge=1, le=100)] | None = None
    buddies: Buddies | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> "Group":
        if self.buddies is not None and self.reject_above is None:
            raise ValueError("buddies reconsider a background check; give reject_above, too")
        return self

    @field_validator("error_std")
    @classmethod
    def _is_there(cls, error_std: Any, info: ValidationInfo) -> Any:
        if error_std is None and not isinstance(info.data.get("locations"), Measured):
            raise ValueError(
                "error_std is missing; give a number >= 1e-09 and <= 1e+09, or one for each level "
                "(Standard deviation in the units of the variables)"
            )
        return error_std

    @model_validator(mode="after")
    def _is_not_simulated(self) -> "Group":
        if isinstance(self.locations, Measured):
            for name in ("availability", "correlation", "drawn", "average"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is of simulated values; these are real ones")
        return self

    @model_validator(mode="after")
    def _averages_are_of_the_levels_they_name(self) -> "Group":
        if self.average is None:
            return self
        if not self.variables:
            raise ValueError("average needs the names of the variables that it is of")
        if self.levels != type(self).model_fields["levels"].default:
            raise ValueError("average names the levels itself; leave levels out")
        if isinstance(self.error_std, dict):
            raise ValueError("an average has no levels, and one number as error_std")
        return self


class Choice(BaseModel):
    """A system or filter by name, with settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """All entries but the name."""
        return dict(self.model_extra or {})


def utc(text: str) -> str:
    """An ISO time in UTC, in one form for every instant: `2019-01-01T00:00`.

    Arguments:
        text: The time, in UTC unless it says otherwise.
    Raises: ValueError where it is no time, or outside of `YEARS`.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO time such as 2019-01-01T00:00") from None
    if time.year not in YEARS:
        raise ValueError(
            f"{text!r} is outside of the years {YEARS[0]} to {YEARS[-1]}, whose nanoseconds "
            "archives can count"
        )
    time = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    whole = (time.second, time.microsecond) == (0, 0)
    return time.isoformat(timespec="minutes" if whole else "auto")


class Period(Strict):
    """Length and start of the experiment.

    Arguments:
        cycles: Number of assimilation cycles.
        spinup: Number of first cycles that are left out of the scores.
        start: ISO time of cycle 0, where the system has a calendar.
        offset: Number of the first cycle in the system's verification trajectory, where it has one.
    """

    cycles: Count
    spinup: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    start: str | None = None
    offset: Annotated[int, Field(ge=0, le=10_000_000)] | None = None

    @field_validator("start")
    @classmethod
    def _is_a_time(cls, start: str | None) -> str | None:
        return None if start is None else utc(start)

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
        amplitude: Standard deviation in climatological ones, or in state units of toy systems.
    """

    kind: Literal["perturbed"]
    amplitude: Positive


class Differences(Strict):
    """A state in error, with an error of its own for every member: differences of two states each.

    The state is the truth with one more such difference, so the mean of the members is in error by
    as much as they are spread.

    Arguments:
        of: `forecasts`: two of them from one state of the climate, with noise of their own;
            `climate`: two states of the climate.
        cycles: Length of the forecasts.
        variable, level: Field by which every difference is scaled; the level in hPa, if it has one.
        error_std: Root of the mean square over the globe that a difference has in this field, in
            its units.
    """

    kind: Literal["differences"]
    of: Literal["forecasts", "climate"] = "forecasts"
    cycles: Annotated[int, Field(ge=1, le=100)] = 2
    variable: str
    level: Level | None = None
    error_std: Positive


class Climatological(Strict):
    """States of the system's climate."""

    kind: Literal["climatological"]


class Prior(Strict):
    """Draws from the law that the truth starts from, where the system has one."""

    kind: Literal["prior"]


class Scenario(Extended):
    """A problem for all methods: system, observations, period, initial members, seed.

    Arguments:
        name: Name of the file; results lie in a folder of this name.
        title: One line for tables.
        source: Where the problem comes from.
        system: Name and settings of the system.
        observations: Groups of observations with different names.
        period: Length and start of the experiment.
        initial: Members at cycle 0.
        seed: Seed of truth, observation noise, initial members and methods.
        verify: `observations` scores runs on real values by observations alone; `analysis` by the
            frames of the system, too, which were an analysis of much the same observations.
    """

    LATER: ClassVar[tuple[str, ...]] = ("verify",)

    name: Annotated[str, Field(json_schema_extra={"readOnly": True})] = "unnamed"
    title: Words = ""
    source: Words = ""
    system: Choice
    observations: Annotated[tuple[Group, ...], Field(min_length=1)]
    period: Period
    initial: Annotated[
        Copies | Perturbed | Differences | Climatological | Prior, Field(discriminator="kind")
    ] = Copies(kind="truth")
    seed: Seed = 0
    verify: Literal["observations", "analysis"] = "observations"
    _document: Document | None = PrivateAttr(None)

    @field_validator("observations")
    @classmethod
    def _have_names_of_their_own(cls, groups: tuple[Group, ...]) -> tuple[Group, ...]:
        names = [g.name for g in groups]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"two groups are named {twice[0]!r}; each needs a name of its own")
        return groups

    @model_validator(mode="after")
    def _is_real_or_simulated(self) -> "Scenario":
        real = [isinstance(group.locations, Measured) for group in self.observations]
        if any(real) and not all(real):
            raise ValueError(
                f"group {self.observations[real.index(False)].name!r} simulates values, which "
                "there is no truth for: other groups have real ones; make two scenarios"
            )
        if self.verify == "analysis" and not any(real):
            raise ValueError("verify is for real values; simulated ones have a truth")
        return self

    @property
    def is_real(self) -> bool:
        """Whether the values of the observations are real ones."""
        return isinstance(self.observations[0].locations, Measured)

    @property
    def has_truth(self) -> bool:
        """Whether there is a truth, or an analysis that stands for it, to score runs by."""
        return not self.is_real or self.verify == "analysis"

    @property
    def digest(self) -> str:
        """The sha256 of the problem: all but name, words and seed, with defaults written out."""
        content = self.problem()
        del content["seed"]
        return sha256(content)

    def problem(self) -> dict[str, Any]:
        """All that determines truth, observations and initial members, as JSON has it.

        A table of values is in it by its content and not by its place.
        """
        words = {
            name
            for name, field in type(self).model_fields.items()
            if any(isinstance(mark, Described) for mark in field.metadata)
        }
        content = self.model_dump(mode="json", exclude={"name", *words})
        for group in content["observations"]:
            if group["locations"].get("sha256"):
                del group["locations"]["values"]
        return content

    def plain(self) -> dict[str, Any]:
        """The scenario as JSON has it; `Scenario.model_validate` is the inverse."""
        return self.model_dump(mode="json")

    @property
    def document(self) -> Document:
        """The file that the scenario was read from, for messages; else the scenario's content."""
        return self._document or Document(f"scenario {self.name}", self.plain(), {(): "-"})
