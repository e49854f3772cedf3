"""The scores of one run as a record: read once, and then asked for numbers by name.

scores.json ───────────────┐
a run of a result file ────┼──► Scores ──► tables, figures, comparisons, pages
an archive, just scored ───┘
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from dabench.core.work import PASSES
from dabench.runs.archive.status import Status
from dabench.scores import identity

GLOBAL = "global"
"""The region of all points, which every run is scored in."""

ONE_TRUTH = {"held_suarez": "verification_0", "gencast": "frames"}
"""The truth of systems that have one for all seeds, whose older archives do not name it."""

UNOBSERVED = "unobserved"
"""The region of the points that no observation of a variable touches, another for each."""

Cell = tuple[str, float | None]
"""A variable and its level in hPa, None if it has none."""

Series = Float[np.ndarray, "cycle"]
"""Values of cycle 0, the initial state, and of all whole cycles; NaN where there is none."""


class Variable(NamedTuple):
    """A variable of the state.

    Arguments:
        units: Units as the archive has them.
        levels: Levels in hPa; a single None where the variable has none.
        valid_fraction: Share of the globe where the truth is known.
    """

    units: str
    levels: tuple[float | None, ...]
    valid_fraction: float = 1.0


class Key(NamedTuple):
    """What a number is about."""

    variable: str
    level: float | None
    region: str
    metric: str

    @property
    def cell(self) -> Cell:
        return self.variable, self.level


class Score(NamedTuple):
    """A score over the cycles after the spin-up with its 95 % interval; None where missing."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Diagnostic(NamedTuple):
    """Mean and minimum of a diagnostic over the scored cycles, and its value in every cycle."""

    mean: float | None
    min: float | None
    values: Series


class Innovations(NamedTuple):
    """How background and analysis fit the observations that are assimilated.

    Arguments:
        groups: Numbers of every group of observations, variable and level, over the scored cycles;
            see `departures.observation_space`.
        chi2: Mean squared innovation over its expected square, in every cycle.
        regions: The same numbers in each region with observations; none in toy systems.
        cycles: Counts and normalised departures of every group, in every cycle. Results of older
            versions have none.
    """

    groups: tuple[Mapping[str, Any], ...]
    chi2: Series
    regions: tuple[Mapping[str, Any], ...] = ()
    cycles: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "Innovations":
        """The fit from plain data."""
        cycles = tuple(
            {k: _array(v) if isinstance(v, list) else v for k, v in row.items() if v is not None}
            for row in data.get("cycles") or ()
        )
        regions = tuple(data.get("regions") or ())
        return cls(tuple(data["groups"]), _array(data["chi2"]), regions, cycles)

    def plain(self) -> dict[str, Any]:
        """The fit as JSON has it."""
        cycles = [
            {k: _list(v) if isinstance(v, np.ndarray) else v for k, v in row.items()}
            for row in self.cycles
        ]
        groups, regions = list(self.groups), list(self.regions)
        return {"groups": groups, "chi2": _list(self.chi2), "regions": regions, "cycles": cycles}


class Departures(NamedTuple):
    """How background and analysis fit the withheld observations.

    Arguments:
        groups: Numbers of every stage, group, variable and level, over the scored cycles.
        chi2: By stage, in every cycle.
    """

    groups: tuple[Mapping[str, Any], ...]
    chi2: Mapping[str, Series]

    def plain(self) -> dict[str, Any]:
        """The fit as JSON has it."""
        chi2 = {stage: _list(values) for stage, values in self.chi2.items()}
        return {"groups": list(self.groups), "chi2": chi2}


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one run: one method on one scenario and system with one seed.

    Arguments:
        metric_version: Version of the definitions of the metrics.
        scenario: Content of the scenario's file, and its digest.
        system: Name and digest of the system.
        method: Name of the method in tables.
        filter, settings, members: The filter, its settings and the size of its ensemble.
        digest: Digest of everything that the numbers depend on.
        seed: Seed of everything random.
        status, cycles, spinup, completed: How far the run has come, the number of cycles asked for,
            not scored, and done.
        provenance: When, where and by which code the run was made.
        regions: Number of points in each region.
        variables: The variables of the state by name.
        seconds: Valid times of the cycles in seconds.
        scores: Scores of every cell, region and metric.
        every_cycle: The same in every cycle.
        histograms: Shares of the randomised PIT in equal bins, by cell.
        spectra: Mean zonal power by wavenumber of truth, error and member, by cell.
        observations: Fit to the observations; None where it was not archived.
        ensemble: Diagnostics by name.
        cost: Work, seconds and bytes by name, see `diagnostics.cost`.
        withheld: Fit to withheld observations; None without any.
        unobserved: Scores over the points of the globe that no observation of the variable takes
            its value from; none for cells that are observed at every point, None where the points
            were not told apart.
        pictures: Maps and members that a result keeps of the run's fields; None without any.
        lag: Cycles that the estimates lie behind the newest observations: 0 for a filter.
        forecasts: Scores of forecasts from the analyses by lead time, see `forecasts.plain_of`;
            None where a result has none.
    """

    metric_version: str
    scenario: Mapping[str, Any]
    system: Mapping[str, Any]
    method: str
    filter: str
    settings: Mapping[str, Any]
    digest: str
    members: int
    seed: int
    status: Status
    cycles: int
    spinup: int
    completed: int
    provenance: Mapping[str, Any]
    regions: Mapping[str, int]
    variables: Mapping[str, Variable]
    seconds: Series
    scores: Mapping[Key, Score]
    every_cycle: Mapping[Key, Series]
    histograms: Mapping[Cell, Float[np.ndarray, "bins"]]
    spectra: Mapping[Cell, Mapping[str, Float[np.ndarray, "wavenumber"]]]
    observations: Innovations | None
    ensemble: Mapping[str, Diagnostic]
    cost: Mapping[str, float | None]
    withheld: Departures | None = None
    unobserved: Mapping[Key, Score] | None = None
    pictures: Mapping[str, Any] | None = None
    lag: int = 0
    forecasts: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        name = f"{self.scenario['name']}, {self.method}, seed {self.seed}: {self.status}"
        return f"Scores({name}, {len(self.scores)} scores)"

    def score(self, cell: Cell, metric: str, region: str = GLOBAL) -> Score:
        """A score with its interval; all None where there is none."""
        table = (self.unobserved or {}) if region == UNOBSERVED else self.scores
        return table.get(Key(*cell, region, metric), Score(None))

    def value(self, cell: Cell, metric: str, region: str = GLOBAL) -> float | None:
        """A score without its interval; None where there is none."""
        return self.score(cell, metric, region).value

    def series(self, cell: Cell, metric: str, region: str = GLOBAL) -> Series:
        """A metric in every cycle; no values where it was not scored."""
        return self.every_cycle.get(Key(*cell, region, metric), np.zeros(0))

    @cached_property
    def problem(self) -> identity.ProblemIdentity:
        """What other runs must share to be compared with this one."""
        return identity.problem_of(self.scenario, self.system, self.metric_version)

    @cached_property
    def settings_digest(self) -> str:
        """Digest of filter, settings and ensemble size."""
        return identity.settings_digest(self.filter, self.settings, self.members)

    @property
    def truth(self) -> str:
        """Name of the truth; seeds with one truth differ in noise and not in weather."""
        usual = ONE_TRUTH.get(self.system["name"], f"seed {self.seed}")
        return str(self.provenance.get("trajectory") or usual)

    @property
    def scored(self) -> slice:
        """The cycles after the spin-up."""
        return slice(self.spinup + 1, self.completed + 1)

    @property
    def cells(self) -> list[Cell]:
        """Every variable at every level."""
        return [(name, level) for name, v in self.variables.items() for level in v.levels]

    @property
    def on_sphere(self) -> bool:
        """Whether there are regions, which a toy system has none of."""
        return len(self.regions) > 1

    def units(self, variable: str) -> str:
        """Units of a variable; nothing for one that is not there."""
        return self.variables[variable].units if variable in self.variables else ""

    def mean_of(self, diagnostic: str) -> float | None:
        """Mean of a diagnostic over the scored cycles; None where there is none."""
        return self.ensemble[diagnostic].mean if diagnostic in self.ensemble else None

    @property
    def evaluations_a_cycle(self) -> float | None:
        """Evaluations of the denoiser a member and cycle; None where they were not counted."""
        return self._a_cycle("evaluations")

    @property
    def products_a_cycle(self) -> float | None:
        """Jacobian products a member and cycle; None where they were not counted."""
        return self._a_cycle("products")

    @property
    def work_a_cycle(self) -> float | None:
        """Denoiser evaluations of all members in a cycle, a Jacobian product being `PASSES`."""
        calls = self.evaluations_a_cycle
        return calls and self.members * (calls + PASSES * (self.products_a_cycle or 0))

    def _a_cycle(self, work: str) -> float | None:
        total = self.cost.get(work)
        return total / max(1, self.completed) if total else None

    def replace(self, **changes: Any) -> "Scores":
        """The same scores with some fields changed."""
        return replace(self, **changes)

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> "Scores":
        """Scores from plain data, as `scores.json` and the runs of a result file have them."""
        observed, withheld = data["observations"], data.get("withheld")
        return cls(
            **{name: data[name] for name in _AS_THEY_ARE},
            status=Status.parse(data["status"]),
            variables={n: _variable(v) for n, v in data["variables"].items()},
            seconds=_array(data["seconds"]),
            scores=_scores(data["scores"]),
            every_cycle={_key(row): _array(row["values"]) for row in data["series"]},
            histograms={(r["variable"], r["level"]): _array(r["histogram"]) for r in data["rank"]},
            spectra={(r["variable"], r["level"]): _powers(r) for r in data["spectra"]},
            observations=observed and Innovations.from_plain(observed),
            ensemble={
                name: Diagnostic(d["mean"], d["min"], _array(d["values"]))
                for name, d in data["ensemble"].items()
            },
            withheld=withheld and Departures(
                tuple(withheld["groups"]), {s: _array(v) for s, v in withheld["chi2"].items()}
            ),
            unobserved=None if data.get("unobserved") is None else _scores(data["unobserved"]),
            pictures=data.get("pictures"),
            lag=data.get("lag", 0),
            forecasts=data.get("forecasts"),
        )  # fmt: skip

    def plain(self) -> dict[str, Any]:
        """The scores as JSON has them; the inverse of `from_plain`."""
        return {
            **{name: getattr(self, name) for name in _IDENTITY},
            "status": str(self.status),
            **{name: getattr(self, name) for name in _PROGRESS},
            "variables": {
                name: v._asdict() | {"levels": list(v.levels)} for name, v in self.variables.items()
            },
            "seconds": self.seconds.tolist(),
            "scores": _rows(self.scores),
            "series": [key._asdict() | {"values": _list(v)} for key, v in self.every_cycle.items()],
            "rank": [_of_cell(c) | {"histogram": _list(v)} for c, v in self.histograms.items()],
            "spectra": [
                _of_cell(cell) | {kind: _list(power) for kind, power in powers.items()}
                for cell, powers in self.spectra.items()
            ],
            "observations": self.observations and self.observations.plain(),
            "ensemble": {
                name: d._asdict() | {"values": _list(d.values)} for name, d in self.ensemble.items()
            },
            "cost": dict(self.cost),
            "withheld": self.withheld and self.withheld.plain(),
            "unobserved": None if self.unobserved is None else _rows(self.unobserved),
            "pictures": self.pictures,
            "lag": self.lag,
            "forecasts": self.forecasts,
        }


def sharing_fields(runs: Sequence[Scores]) -> list[Scores]:
    """Runs of one problem, each with the variables and levels that any of them has.

    A method archives the whole state of the scenario, an import the fields that its store had;
    what a run has no scores of is missing in its row and not in those of others.
    """
    state: dict[str, Variable] = {}
    for run in sorted(runs, key=lambda run: -len(run.cells)):  # the whole state gives the order
        for name, variable in run.variables.items():
            state[name] = _joined(state.get(name, variable), variable)
    return [run if run.variables == state else run.replace(variables=state) for run in runs]


def _joined(one: Variable, other: Variable) -> Variable:
    """The first variable with the levels of both."""
    if not set(other.levels) - set(one.levels):
        return one
    levels = {*one.levels, *other.levels}
    return one._replace(levels=tuple(sorted(levels, key=lambda level: level or 0.0)))


_IDENTITY = ("metric_version", "scenario", "system", "method", "filter", "settings", "digest",
             "members", "seed")  # fmt: skip
_PROGRESS = ("cycles", "spinup", "completed", "provenance", "regions")
_AS_THEY_ARE = (*_IDENTITY, *_PROGRESS, "cost")


def _variable(data: Mapping[str, Any]) -> Variable:
    return Variable(data.get("units", ""), tuple(data["levels"]), data.get("valid_fraction", 1.0))


def _key(row: Mapping[str, Any]) -> Key:
    return Key(row["variable"], row["level"], row["region"], row["metric"])


def _scores(rows: Sequence[Mapping[str, Any]]) -> dict[Key, Score]:
    return {_key(row): Score(row["value"], row["low"], row["high"]) for row in rows}


def _rows(scores: Mapping[Key, Score]) -> list[dict[str, Any]]:
    return [key._asdict() | score._asdict() for key, score in scores.items()]


def _powers(row: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {kind: _array(row[kind]) for kind in row if kind not in ("variable", "level")}


def _of_cell(cell: Cell) -> dict[str, Any]:
    return {"variable": cell[0], "level": cell[1]}


def _array(values: Sequence[float | None]) -> np.ndarray:
    """Numbers with NaN in place of null."""
    return np.array(values, dtype=np.float64)


def _list(values: np.ndarray) -> list[float | None]:
    """Numbers as JSON has them, with null in place of NaN."""
    return [None if np.isnan(v) else v for v in values.tolist()]


def finite(values: np.ndarray) -> np.ndarray:
    """Numbers as a record has them: float64, with NaN in place of infinities."""
    numbers = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
