"""One method of a board, as the pages show it: values with notes, colours, sparklines."""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dabench.leaderboard.format import duration, number, size, title
from dabench.leaderboard.labels import parsed
from dabench.leaderboard.methods import display_name, is_reference, method_of
from dabench.leaderboard.vocabulary import (
    COSTS,
    DIAGNOSTICS,
    INNOVATIONS,
    MEMORY,
    METRICS,
    WITHHELD,
)
from dabench.scores.record import GLOBAL, Cell, Departures, Innovations, Scores
from dabench.scores.seeds import Spread, over_seeds

STEPS = (0.1, 0.25, 0.5, 0.75, 0.95, 1.05, 1.25, 1.5, 2.0, 4.0)
"""Ratios at which the colour changes."""
CLASSES = ("b5", "b4", "b3", "b2", "b1", "n", "w1", "w2", "w3", "w4", "w5")
"""Classes of these colours in the style sheet: better, the same, worse."""

AUTHORS = "the dabench authors"
"""Who made the runs of results that name nobody."""

LONGEST = 2000
"""Letters of a text from a result that a page shows."""


@dataclass(frozen=True)
class Value:
    """A number in a table.

    Arguments:
        text: What the table shows.
        sort: What it is sorted by; None where there is no number.
        note: Small print below it, such as its interval.
        tint: Class of its colour.
    """

    text: str
    sort: float | None = None
    note: str = ""
    tint: str = ""


def shade(ratio: float | None) -> str:
    """Class of the colour of a ratio; none without a ratio."""
    return "" if ratio is None else CLASSES[int(np.searchsorted(STEPS, ratio))]


class Row:
    """One method of a board: its runs, one for each seed; numbers are medians over them.

    Arguments:
        several: Whether the board has methods with several seeds.
        colour: Name of the method's colour, as `methods.colour_names` gives it.
    """

    def __init__(
        self,
        runs: Sequence[Scores],
        *,
        several: bool = False,
        colour: str = "other0",
    ):
        self.several, self.colour = several, colour
        self.runs = sorted(runs, key=lambda run: run.seed)
        self.method = self.runs[0].method

    @property
    def first(self) -> Scores:
        """The run with the smallest seed."""
        return self.runs[0]

    @property
    def name(self) -> str:
        """Name of the method as pages show it."""
        return display_name(self.method)

    @property
    def own_slug(self) -> str:
        """The same of the method's own row, which this one may stand beside."""
        return parsed(self.method).own.replace("/", "-")

    @property
    def reference(self) -> bool:
        """Whether the method is there to set the scale."""
        return is_reference(self.method)

    @property
    def exact(self) -> bool:
        """Whether the method is the exact posterior."""
        method = method_of(self.method)
        return method is not None and method.exact

    @property
    def seeds(self) -> list[int]:
        """Seeds of the runs, rising."""
        return [run.seed for run in self.runs]

    @property
    def tags(self) -> str:
        """Small print beside the name: whether it is exact or a reference, and how many seeds."""
        tags = ["exact"] if self.exact else ["reference"] if self.reference else []
        if len(self.runs) > 1:
            tags.append(f"{len(self.runs)} seeds")
        elif self.several:
            tags.append("1 seed")
        return ", ".join(tags)

    @property
    def slug(self) -> str:
        """Name of the files about this row, without ending."""
        return self.method.replace("/", "-")

    @property
    def status(self) -> str:
        """What went wrong in any of the seeds; empty where all are complete."""
        bad = [run for run in self.runs if not run.status.complete]
        if not bad:
            return ""
        if len(self.runs) == 1:
            status, completed = bad[0].status, bad[0].completed
            return f"cycle {completed} so far" if status.running else str(status)
        return f"{len(bad)} of {len(self.runs)} seeds {bad[0].status.kind}"

    @property
    def metrics(self) -> dict[str, str]:
        """Titles of the metrics that any run has a number of, by name."""
        scored = {
            key.metric
            for run in self.runs
            for key, score in run.scores.items()
            if key.region == GLOBAL and score.value is not None
        }
        return {metric: text for metric, text in METRICS.items() if metric in scored}

    def over(
        self,
        cell: Cell,
        metric: str,
        region: str = GLOBAL,
        seeds: Container[int] | None = None,
    ) -> Spread:
        """Median and range of a score over seeds; one that diverged is worse than all others.

        Arguments:
            seeds: Seeds to take; all if None.
        """
        runs = [run for run in self.runs if seeds is None or run.seed in seeds]
        return over_seeds(run.value(cell, metric, region) for run in runs)

    def shown(self, cell: Cell, metric: str, region: str = GLOBAL) -> Value:
        """The median score with the range over seeds, or the 95 % interval of a single seed."""
        spread = self.over(cell, metric, region)
        if spread.median is None:
            return Value("–")
        text = number(spread.median)
        if len(self.runs) > 1:
            high = "diverged" if spread.missing else number(spread.high)
            return Value(text, spread.median, _range(number(spread.low), high))
        _, low, high = self.first.score(cell, metric, region)
        note = "" if low is None else _range(number(low), number(high))
        return Value(text, spread.median, note)

    def diagnostic(self, name: str) -> Value:
        """Mean of a diagnostic over the scored cycles."""
        return _median(run.mean_of(name) for run in self.runs)

    def cost(self, name: str) -> Value:
        """The median of a cost over seeds, in units that read well."""
        cost = _median(run.cost.get(name) for run in self.runs)
        if cost.sort is None:
            return cost
        if "_bytes" in name:
            return Value(size(cost.sort), cost.sort)
        return Value(duration(cost.sort), cost.sort) if "seconds" in name else cost

    @property
    def memory(self) -> Value:
        """Peak memory of a cycle for each member, measured in either way."""
        for name in MEMORY:
            cost = self.cost(name)
            if cost.sort is not None:
                return cost
        return Value("–")

    @property
    def evaluations(self) -> Value:
        """Evaluations of the denoiser for a member in a cycle."""
        return _median(run.evaluations_a_cycle for run in self.runs)

    def each(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        """For each seed how it ended, its RMSE, and when and on which device it was run."""
        return [
            {
                "seed": run.seed,
                "status": str(run.status),
                "rmse": [number(run.value(cell, "rmse")) for cell in cells],
                "made": _provenance(run, "created")[:16].replace("T", " "),  # to the minute
                "device": _provenance(run, "device"),
            }
            for run in self.runs
        ]

    @property
    def diagnostics(self) -> list[tuple[str, str, str]]:
        """Name, mean and minimum of every diagnostic, then name and value of every cost."""
        names = {name for run in self.runs for name in run.ensemble}
        rows = []
        for name in sorted(names, key=lambda n: (n not in DIAGNOSTICS, n)):
            values = [run.ensemble[name] for run in self.runs if name in run.ensemble]
            mean, least = _median(d.mean for d in values), _median(d.min for d in values)
            rows.append((DIAGNOSTICS.get(name, name), mean.text, least.text))
        for name, text in COSTS.items():
            cost = self.cost(name)
            if cost.sort is not None:
                rows.append((text, cost.text, ""))
        return rows

    @property
    def innovations(self) -> list[dict[str, Any]]:
        """Fit of the first seed's background to every group, variable and level."""
        return _fits(self.first.observations, INNOVATIONS)

    @property
    def withheld(self) -> list[dict[str, Any]]:
        """Fit of the first seed's background and analysis to what was withheld."""
        return _fits(self.first.withheld, WITHHELD)

    @property
    def desroziers(self) -> bool:
        """Whether the implied observation error is known."""
        fit = self.first.observations
        return any(row.get("desroziers") is not None for row in (fit.groups if fit else ()))

    @property
    def made(self) -> str:
        """When and by whom the runs were made, and with which commits."""
        days = sorted({_provenance(run, "created")[:10] for run in self.runs} - {"–"})
        authors = dict.fromkeys(author_of(run) for run in self.runs)
        commits = dict.fromkeys(_provenance(run, "commit") for run in self.runs)
        span = " to ".join(dict.fromkeys((days[0], days[-1]))) if days else "on an unknown day"
        names = ", ".join(authors)
        codes = ", ".join(commit for commit in commits if commit != "–")
        parts = [f"Made {span} by {names}", codes and f" with {codes}"]
        return f"{''.join(parts)}."[:LONGEST]

    @property
    def commands(self) -> list[str]:
        """Shell commands that made the runs, each once."""
        commands = [str(run.provenance.get("command") or "")[:LONGEST] for run in self.runs]
        return [command for command in dict.fromkeys(commands) if command]

    def sparkline(self, cell: Cell) -> np.ndarray:
        """RMSE of the first seed at some times for a small picture; NaN where there is none."""
        series = self.first.series(cell, "rmse")
        return np.where(series > 0, series, np.nan)[:: max(1, len(series) // 24)]


def author_of(run: Scores) -> str:
    """Who made a run: as `dabench leaderboard add --author` says, else the authors of dabench."""
    author = _provenance(run, "author")
    return AUTHORS if author == "–" else author


def _range(low: str, high: str) -> str:
    """Two ends with a dash, or with a word where a minus might be taken for one."""
    return f"{low} to {high}" if "−" in low + high or "d" in high else f"{low}–{high}"


def _fits(fit: Innovations | Departures | None, names: Iterable[str]) -> list[dict[str, Any]]:
    """Numbers of a fit as texts, for every group, variable and level."""
    return [
        {
            "group": f"{row['group']}, {row['stage']}" if row.get("stage") else row["group"],
            "what": title(row["variable"], row["level"]),
            "numbers": {name: _count_or_number(row.get(name)) for name in names},
        }
        for row in (fit.groups if fit else ())
    ]


def _count_or_number(value: float | None) -> str:
    return str(value) if isinstance(value, int) else number(value)


def _provenance(run: Scores, key: str) -> str:
    return str(run.provenance.get(key) or "–")[:60]


def _median(values: Iterable[float | None]) -> Value:
    """Median of the known values."""
    numbers = [value for value in values if value is not None]
    if not numbers:
        return Value("–")
    median = float(np.median(numbers))
    return Value(number(median), median)


def words(value: Any) -> str:
    """Plain data as a line of text; empty for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, Mapping):
        parts = [(key, words(part)) for key, part in value.items()]
        text = ", ".join(f"{key}: {part}" for key, part in parts if part)
    elif isinstance(value, list | tuple) and all(isinstance(v, str | int | float) for v in value):
        text = ", ".join(map(str, value))
    else:
        text = json.dumps(value)
    return text[:LONGEST]
