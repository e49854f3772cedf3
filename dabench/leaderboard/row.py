"""One method of a board, as the pages show it: values with notes, colours, sparklines."""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dabench.leaderboard.format import number, title
from dabench.leaderboard.methods import display_name, is_reference
from dabench.leaderboard.vocabulary import (
    BYTES,
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
"""Between them the classes of a ratio's colour: b5 .. b1 better, n the same, w1 .. w5 worse."""
CLASSES = ("b5", "b4", "b3", "b2", "b1", "n", "w1", "w2", "w3", "w4", "w5")


MADE = {"made": "created", "device": "device"}


@dataclass(frozen=True)
class Value:
    """A number as it is shown, with what sorts it and what explains it."""

    text: str
    sort: float | None = None
    note: str = ""
    tint: str = ""


def shade(ratio: float | None) -> str:
    """The class of a ratio's colour."""
    return "" if ratio is None else CLASSES[int(np.searchsorted(STEPS, ratio))]


class Row:
    """One method of a board: its runs, one a seed; numbers are medians over them.

    Arguments:
        several: Whether the board has methods with several seeds.
        memory_in: Unit out of `BYTES`.
        colour: Name of the method's colour, as `methods.colour_names` gives it.
    """

    def __init__(
        self,
        runs: Sequence[Scores],
        *,
        several: bool = False,
        memory_in: str = "MB",
        colour: str = "other0",
    ):
        self.several, self.memory_in, self.colour = several, memory_in, colour
        self.runs = sorted(runs, key=lambda run: run.seed)
        self.method = self.runs[0].method

    @property
    def first(self) -> Scores:
        return self.runs[0]

    @property
    def name(self) -> str:
        """Name of the method as pages show it."""
        return display_name(self.method)

    @property
    def reference(self) -> bool:
        """Whether the method is there to set the scale."""
        return is_reference(self.method)

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self.runs]

    @property
    def tags(self) -> str:
        """What stands beneath its name."""
        seeds = f"{n} seeds" if (n := len(self.runs)) > 1 else "1 seed" * self.several
        return ", ".join(filter(None, ("reference" if self.reference else "", seeds)))

    @property
    def slug(self) -> str:
        """Of the files about it."""
        return self.method.replace("/", "-")

    @property
    def status(self) -> str:
        """What happened to all seeds; one that diverged is never averaged away."""
        bad = [run for run in self.runs if not run.status.complete]
        if not bad:
            return ""
        if len(self.runs) == 1:
            status, completed = bad[0].status, bad[0].completed
            return f"cycle {completed} so far" if status.running else str(status)
        return f"{len(bad)} of {len(self.runs)} seeds {bad[0].status.kind}"

    @property
    def metrics(self) -> dict[str, str]:
        """Those that it has a number of."""
        known = {
            key.metric
            for run in self.runs
            for key, score in run.scores.items()
            if key.region == GLOBAL and score.value is not None
        }
        return {metric: text for metric, text in METRICS.items() if metric in known}

    def over(
        self,
        cell: Cell,
        metric: str,
        region: str = GLOBAL,
        seeds: Container[int] | None = None,
    ) -> Spread:
        """Median and range over the seeds (default all), of which one that diverged is worse than
        all others."""
        runs = [run for run in self.runs if seeds is None or run.seed in seeds]
        return over_seeds(run.value(cell, metric, region) for run in runs)

    def shown(self, cell: Cell, metric: str) -> Value:
        """The median with its interval: of one seed's cycles, or the range of the seeds."""
        found = self.over(cell, metric)
        if found.median is None:
            return Value("–")
        text = number(found.median)
        if len(self.runs) > 1:
            high = "diverged" if found.missing else number(found.high)
            return Value(text, found.median, f"{number(found.low)} to {high}")
        _, low, high = self.first.score(cell, metric)
        note = "" if low is None else f"{number(low)} to {number(high)}"
        return Value(text, found.median, note)

    def diagnostic(self, name: str) -> Value:
        return _median(run.mean_of(name) for run in self.runs)

    def cost(self, name: str) -> Value:
        """In the units of `costs_in`."""
        scale = BYTES[self.memory_in] if "_bytes" in name else 1.0
        found = (run.cost.get(name) for run in self.runs)
        return _median(None if v is None else v / scale for v in found)

    @property
    def memory(self) -> Value:
        """Peak of a cycle, a member."""
        found = (self.cost(name) for name in MEMORY)
        return next((v for v in found if v.sort is not None), Value("–"))

    @property
    def evaluations(self) -> Value:
        """Of the denoiser, a member and cycle."""
        return _median(run.evaluations_a_cycle for run in self.runs)

    def each(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        """A row a seed: how it ended, RMSE of some cells, when and on what it was made."""
        rows = []
        for run in self.runs:
            rmse = [number(run.value(cell, "rmse")) for cell in cells]
            shown = {"seed": run.seed, "status": str(run.status), "rmse": rmse}
            texts = {k: str(run.provenance.get(v) or "–")[:60] for k, v in MADE.items()}
            texts["made"] = texts["made"][:16].replace("T", " ")  # to the minute
            rows.append(shown | texts)
        return rows

    @property
    def diagnostics(self) -> list[tuple[str, str, str]]:
        """(name, mean, least) over scored cycles, then costs; medians over the seeds."""
        names = {name for run in self.runs for name in run.ensemble}
        rows = []
        for name in sorted(names, key=lambda n: (n not in DIAGNOSTICS, n)):
            found = [run.ensemble[name] for run in self.runs if name in run.ensemble]
            mean, least = _median(d.mean for d in found), _median(d.min for d in found)
            rows.append((DIAGNOSTICS.get(name, name), mean.text, least.text))
        known = [n for n in COSTS if any(run.cost.get(n) is not None for run in self.runs)]
        names = costs_in(self.memory_in)
        return rows + [(names[name], self.cost(name).text, "") for name in known]

    @property
    def innovations(self) -> list[dict[str, Any]]:
        """Of the first seed, a row a group, variable and level."""
        return _fits(self.first.observations, INNOVATIONS)

    @property
    def withheld(self) -> list[dict[str, Any]]:
        """Of the first seed, a row a stage, group, variable and level."""
        return _fits(self.first.withheld, WITHHELD)

    @property
    def desroziers(self) -> bool:
        fit = self.first.observations
        return any(row.get("desroziers") is not None for row in (fit.groups if fit else ()))

    @property
    def settings(self) -> dict[str, str]:
        """Filter, members and settings as terms."""
        run = self.first
        shown = {"filter": run.filter, "members": run.members, **run.settings}
        return {str(k)[:120]: words(v) or "–" for k, v in shown.items()}

    @property
    def commands(self) -> list[str]:
        """That made the runs."""
        found = (str(run.provenance.get("command") or "")[:2000] for run in self.runs)
        return [text for text in dict.fromkeys(found) if text]

    def sparkline(self, cell: Cell, size: tuple[int, int] = (96, 24)) -> str:
        """Points of a polyline: RMSE of the first seed over time, its logarithm."""
        series = self.first.series(cell, "rmse")
        values = np.where(series == 0, np.nan, series)[:: max(1, len(series) // 24)]
        if np.isfinite(values).sum() < 2:
            return ""
        height = np.log(values)
        span = (np.nanmax(height) - np.nanmin(height)) or 1.0
        x = np.linspace(1, size[0] - 1, len(values))
        y = 1 + (np.nanmax(height) - height) / span * (size[1] - 2)
        return " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))


def _fits(fit: Innovations | Departures | None, names: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of departures as texts."""
    return [
        {
            "group": ", ".join(filter(None, (row["group"], row.get("stage")))),
            "what": title(row["variable"], row["level"]),
            "numbers": {n: _told(row.get(n)) for n in names},
        }
        for row in (fit.groups if fit else ())
    ]


def _told(value: float | None) -> str:
    return str(value) if isinstance(value, int) else number(value)


def costs_in(memory: str) -> dict[str, str]:
    """`COSTS` with the unit of memory."""
    return {name: f"{text}, {memory}" * ("_bytes" in name) or text for name, text in COSTS.items()}


def memory_unit(runs: Iterable[Scores]) -> str:
    """kB where no run knows of a step that takes a tenth of a megabyte a member."""
    found = [run.cost.get(name) or 0.0 for run in runs for name in MEMORY]
    return "MB" if max(found, default=0.0) >= 1e5 or not any(found) else "kB"


def _median(found: Iterable[float | None]) -> Value:
    known = [f for f in found if f is not None]
    return Value(number(float(np.median(known))), float(np.median(known))) if known else Value("–")


def words(value: Any) -> str:
    """Plain data as a line of text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value[:2000]
    if isinstance(value, Mapping):
        told = ((k, words(v)) for k, v in value.items())
        return ", ".join(f"{k}: {v}" for k, v in told if v)[:2000]
    if isinstance(value, list | tuple) and all(isinstance(v, str | int | float) for v in value):
        return ", ".join(map(str, value))[:2000]
    return json.dumps(value)[:2000]
