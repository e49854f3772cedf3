"""Errors of a group's observations beyond a standard deviation: correlated, or not as assumed."""

from typing import Annotated

from pydantic import Field, model_validator

from dabench.scenario.validate import Strict

Scale = Annotated[float, Field(ge=1e-3, le=1e5)]


class Correlation(Strict):
    """Errors of one variable that are correlated by Gaussians of the distance, within a group.

        share · exp(-½ (distance / length)²) · exp(-½ (Δ ln p / vertical)²) between two observations

    Without a length stations are independent of each other, without `vertical` levels are. The
    distance is the chord, along which a Gaussian is a covariance on a sphere or ring, too.

    Arguments:
        length_km: Length between stations on the sphere.
        length_sites: Length between sites of toy systems.
        vertical: Scale in ln p; observations without a level count as at 1000 hPa.
        share: Share of the error variance that is correlated. The rest is independent, without
            which dense observations would add up to one that has no error.
        assumed: Whether methods are told; if not, they take the errors to be independent.
    """

    length_km: Scale | None = None
    length_sites: Scale | None = None
    vertical: Scale | None = None
    share: Annotated[float, Field(gt=0, le=0.99)] = 0.9
    assumed: bool = True

    @model_validator(mode="after")
    def _has_a_length(self) -> "Correlation":
        if self.length_km is self.length_sites is self.vertical is None:
            raise ValueError("is of no distance; give length_km, length_sites or vertical")
        return self

    @property
    def of_stations(self) -> bool:
        """Whether errors of different stations are correlated."""
        return self.length_km is not None or self.length_sites is not None


class Drawn(Strict):
    """How errors are drawn, where this is not what methods assume, N(0, error_std²).

    Arguments:
        std_factor: Standard deviation over the one that methods assume.
        bias: Mean of the errors over `error_std`.
        freedom: Degrees of freedom of Student's t, scaled to have that variance, for heavy tails;
            null: Gaussian errors.
        gross_share: Chance of each value to be a gross error.
        gross_factor: Standard deviation of gross errors over that of the others.
    """

    std_factor: Annotated[float, Field(ge=0.01, le=100)] = 1.0
    bias: Annotated[float, Field(ge=-100, le=100)] = 0.0
    freedom: Annotated[float, Field(gt=2, le=1000)] | None = None
    gross_share: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    gross_factor: Annotated[float, Field(ge=1, le=1000)] = 10.0
