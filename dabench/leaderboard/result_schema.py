"""The schema of result files.

Files are not trusted: texts and series have a greatest length, names are plain, numbers finite.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dabench.leaderboard import packed_series
from dabench.leaderboard.thumbnails import unpacked

SCHEMA = 5
OLDEST = 2
"""Oldest schema that is read. Schema 3 added pictures, schema 4 packed long series, schema 5 added
lags, forecasts and several stations."""

Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(max_length=120, pattern=r"^[^\x00-\x1f]*$")]
Folder = Annotated[
    str,
    Field(max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$"),
]
Label = Annotated[str, Field(max_length=120, pattern=r"^\w[\w .:/%+-]*$")]
Number = float | None
Axis = Annotated[list[float], Field(max_length=2500)]
Series = Annotated[
    list[Number], BeforeValidator(packed_series.unpack), Field(max_length=packed_series.MOST)
]
Times = Annotated[
    list[float], BeforeValidator(packed_series.unpack_times), Field(max_length=packed_series.MOST)
]
Shown = dict[Name, Any]


class Loose(BaseModel):
    """A record whose numbers are finite; keys that it does not know are ignored."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class ScenarioRecord(Loose):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    name: Folder
    title: Text = ""
    source: Text = ""
    digest: Name


class SystemRecord(Loose):
    name: Folder
    digest: Name


class VariableRecord(Loose):
    units: Name = ""
    levels: Annotated[list[Number], Field(min_length=1)]
    valid_fraction: float = 1.0


class ScoreRecord(Loose):
    variable: Label
    level: Number
    region: Label
    metric: Label
    value: Number
    low: Number
    high: Number


class SeriesRecord(Loose):
    variable: Label
    level: Number
    region: Label
    metric: Label
    values: Series


class RankRecord(Loose):
    variable: Label
    level: Number
    histogram: Series


class SpectrumRecord(Loose):
    variable: Label
    level: Number
    truth: Series = []
    error: Series = []
    member: Series = []


class DiagnosticRecord(Loose):
    mean: Number
    min: Number
    values: Series


class FitRecord(Loose):
    """Differences of a run from the observations of one group and field."""

    group: Label
    variable: Label
    level: Number
    units: Name
    count: int
    error_std: Number
    bias: Number
    rms: Number
    expected_rms: Number
    chi2: Number


class InnovationRecord(FitRecord):
    """Numbers from `desroziers_background` on are of results since there are `regions`."""

    background_error: Number
    desroziers: Number = None
    desroziers_background: Number = None
    analysis_bias: Number = None
    analysis_rms: Number = None
    used: int | None = None
    missing: int | None = None
    background_check: int | None = None
    buddy_check: int | None = None


class RegionalRecord(InnovationRecord):
    region: Label


class CycleRecord(Loose):
    """Counts and normalised departures of a group in every cycle."""

    group: Label
    count: int
    used: Series
    background_rms: Series
    analysis_rms: Series
    background_check: Series | None = None
    buddy_check: Series | None = None


class InnovationsRecord(Loose):
    groups: list[InnovationRecord]
    chi2: Series
    regions: list[RegionalRecord] | None = None
    cycles: list[CycleRecord] | None = None


class WithheldFitRecord(FitRecord):
    stage: Label
    error: Number


class WithheldRecord(Loose):
    groups: list[WithheldFitRecord]
    chi2: dict[Label, Series]


class GroupPlaces(Loose):
    group: Label
    withheld: bool = False
    variables: Annotated[list[Label], Field(max_length=100)]
    values: int
    places: int
    grid: bool
    latitude: Axis = []
    longitude: Axis = []
    site: Axis = []


class PackedMap(Loose):
    low: float
    step: float
    data: Annotated[str, Field(max_length=200_000, pattern=r"^[A-Za-z0-9+/]*=*$")]


class MapRecord(Loose):
    variable: Label
    level: Number
    cycle: Annotated[int, Field(ge=0)]
    truth: PackedMap
    error: PackedMap


class MapsRecord(Loose):
    """Maps (latitude, longitude) on every n-th point of the grid in both directions."""

    latitude: Annotated[list[float], Field(min_length=2, max_length=181)]
    longitude: Annotated[list[float], Field(min_length=2, max_length=360)]
    every: int
    maps: Annotated[list[MapRecord], Field(max_length=12)]

    @model_validator(mode="after")
    def _hold_whole_maps(self) -> "MapsRecord":
        for record in self.maps:
            for part in (record.truth, record.error):
                unpacked(part.model_dump(), (len(self.latitude), len(self.longitude)))
        return self


class PointRecord(Loose):
    variable: Label
    level: Number
    cycle: Annotated[int, Field(ge=0)]
    latitude: float
    longitude: float
    truth: float
    observed: Number = None
    members: Annotated[list[Number], Field(max_length=1000)]


class PicturesRecord(Loose):
    """What the site shows of fields; the first seed of a result has them."""

    network: Annotated[list[GroupPlaces], Field(max_length=50)]
    fields: MapsRecord | None
    points: Annotated[list[PointRecord], Field(max_length=12)] = []

    @model_validator(mode="before")
    @classmethod
    def _of_one_point(cls, record: Any) -> Any:
        """Results of schemas 3 and 4 have one point or none."""
        if isinstance(record, dict) and "point" in record:
            point, others = record["point"], {k: v for k, v in record.items() if k != "point"}
            return {"points": [point] if point else []} | others
        return record

    @property
    def cycles(self) -> list[int]:
        """Cycles that a map or the density at a point shows."""
        cycles = [record.cycle for record in self.fields.maps] if self.fields else []
        return [*cycles, *(point.cycle for point in self.points)]


class LeadRecord(Loose):
    """A score by lead time."""

    variable: Label
    level: Number
    metric: Label
    values: Annotated[list[Number], Field(min_length=2, max_length=1000)]


class ForecastsRecord(Loose):
    """Scores of forecasts from the analyses of a run, by lead time, over all starts."""

    every: Annotated[int, Field(ge=1)]
    starts: Annotated[list[int], Field(min_length=1, max_length=100_000)]
    unit: Literal["days", "cycles"]
    leads: Annotated[list[float], Field(min_length=2, max_length=1000)]
    scores: list[LeadRecord]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "ForecastsRecord":
        if any(len(line.values) != len(self.leads) for line in self.scores):
            raise ValueError(f"forecasts: a score has not the {len(self.leads)} leads")
        return self


class RunRecord(Loose):
    """The scores of one seed, as `scores.json` has them."""

    metric_version: Name
    scenario: ScenarioRecord
    system: SystemRecord
    method: Folder
    filter: Name
    settings: Shown
    digest: Name
    members: Annotated[int, Field(ge=1)]
    seed: int
    status: Annotated[str, Field(pattern=r"^(complete|running|diverged at cycle \d+)$")]
    cycles: Annotated[int, Field(ge=1)]
    spinup: Annotated[int, Field(ge=0)]
    completed: Annotated[int, Field(ge=0)]
    provenance: Shown
    regions: dict[Label, int]
    variables: Annotated[dict[Label, VariableRecord], Field(min_length=1)]
    seconds: Times
    scores: list[ScoreRecord]
    series: list[SeriesRecord]
    rank: list[RankRecord]
    spectra: list[SpectrumRecord]
    observations: InnovationsRecord | None
    ensemble: dict[Label, DiagnosticRecord]
    cost: dict[Label, Number]
    withheld: WithheldRecord | None = None
    unobserved: list[ScoreRecord] | None = None
    pictures: PicturesRecord | None = None
    lag: Annotated[int, Field(ge=0)] = 0
    forecasts: ForecastsRecord | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "RunRecord":
        lengths = {len(self.seconds), *(len(line.values) for line in self.series)}
        if lengths != {self.completed + 1}:
            raise ValueError(f"series of {sorted(lengths)} cycles, where {self.completed} are done")
        if "global" not in self.regions:
            raise ValueError("regions: global is missing")
        if self.pictures and max(self.pictures.cycles, default=0) > self.completed:
            raise ValueError(f"pictures: of a cycle after the last one, {self.completed}")
        return self


class ResultFile(Loose):
    """One method on one scenario and system; every seed has the same problem and settings.

    Arguments:
        metric_version, scenario_digest, system_digest, digest: What all runs share; the last is of
            filter, settings and members.
        seeds: Seeds of the runs, in their order.
        commands: Shell commands that made the runs.
        sha256: Digest of the runs as canonical JSON, which reveals a number changed by hand.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_version: Annotated[int, Field(alias="schema", ge=OLDEST, le=SCHEMA)]
    metric_version: Name
    scenario_digest: Name
    system_digest: Name
    digest: Name
    seeds: Annotated[list[int], Field(min_length=1, max_length=1000)]
    commands: Annotated[list[Text], Field(max_length=1000)]
    sha256: Name
    runs: Annotated[list[RunRecord], Field(min_length=1, max_length=1000)]
