"""A scenario: the problem that every method is given, read from YAML, checked and frozen."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from dabench.errors import UserError


class Misfit(UserError):
    """A scenario that is sound in itself but not for this system: `path` says where."""

    def __init__(self, path: tuple[str | int, ...], problem: str):
        super().__init__(f"{'.'.join(map(str, path))}: {problem}")
        self.path, self.problem = path, problem


class Strict(BaseModel):
    """No unknown keys, no changes, no infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-360, le=360)]
Site = Annotated[int, Field(ge=0)]


class Grid(Strict):
    """A regular grid with this spacing in degrees, from the south pole and longitude 0 on."""

    grid: Annotated[float, Field(gt=0, le=90)]


class Every(Strict):
    """Every n-th point of the system's grid, in latitude and in longitude, or every n-th site."""

    every: Count


class Random(Strict):
    """So many stations, uniform on the sphere (or different sites of a toy system)."""

    random: Count
    seed: Seed = 0


class Points(Strict):
    """Stations one by one: [latitude, longitude] pairs in degrees, or sites."""

    points: Annotated[tuple[tuple[Latitude, Longitude] | Site, ...], Field(min_length=1)]


PLACES = {"grid": Grid, "every": Every, "random": Random, "points": Points}


def _place(value: Any) -> str | None:
    keys = value if isinstance(value, dict) else vars(value) if isinstance(value, Strict) else ()
    return next((k for k in PLACES if k in keys), None)


Locations = Annotated[
    Annotated[Grid, Tag("grid")]
    | Annotated[Every, Tag("every")]
    | Annotated[Random, Tag("random")]
    | Annotated[Points, Tag("points")],
    Discriminator(_place),
]


class Group(Strict):
    """Observations of one kind: what, where, how well.

    Arguments:
        variables: Names in the system's layout, or wind_speed; none means all of them.
        levels: `surface`, `all`, or pressures in hPa.
        error_std: In the units of the variables; one number, or one for each level.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)] = "all"
    variables: tuple[str, ...] = ()
    levels: tuple[Literal["surface", "all"] | Positive, ...] = ("all",)
    locations: Locations = Every(every=1)
    error_std: Positive | dict[Literal["surface"] | Positive, Positive]
