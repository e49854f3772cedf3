"""Quality control of a group's observations beyond the limit of the background check."""

from typing import Annotated

from pydantic import Field, model_validator

from dabench.scenario.errors import Scale
from dabench.scenario.validate import Strict

MOST_BUDDIES = 24
"""Neighbours that a value is compared with, at most: the nearest ones."""


class Buddies(Strict):
    """The buddy check: a value is compared with its neighbours of one group, variable and level.

    Arguments:
        radius_km: Distance of the farthest neighbours on the sphere, along a great circle.
        radius_sites: The same in toy systems.
        least: Neighbours without which the background check decides alone.
    """

    radius_km: Scale | None = None
    radius_sites: Scale | None = None
    least: Annotated[int, Field(ge=2, le=MOST_BUDDIES)] = 4

    @model_validator(mode="after")
    def _has_a_radius(self) -> "Buddies":
        if (self.radius_km is None) == (self.radius_sites is None):
            raise ValueError("needs one of radius_km and radius_sites")
        return self
