"""One method of a board, as the pages show it: values with notes, colours, sparklines."""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dabench.leaderboard.format import number, title
from dabench.leaderboard.vocabulary import (
    BYTES,
    COSTS,
    DIAGNOSTICS,
    INNOVATIONS,
    MEMORY,
    METRICS,
    REFERENCES,
    WITHHELD,
)
from dabench.scores.headlines import Cell, values_of
from dabench.scores.seeds import Spread, over_seeds

Run = Mapping[str, Any]


ALWAYS = ("oi", "ensemble", "persistence", "climatology")
"""References that every board shows, even if only to say that they were not run."""

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
    """

    def __init__(self, runs: Sequence[Run], *, several: bool = False, memory_in: str = "MB"):
        self.several, self.memory_in = several, memory_in
        self.runs = sorted(runs, key=lambda run: run["seed"])
        self.method = str(self.runs[0]["method"])

    @property
    def first(self) -> Run:
        return self.runs[0]

    @property
    def kind(self) -> str:
        """Of its colour: the method that a profile is one of."""
        return self.method.split("-")[0]

    @property
    def reference(self) -> bool:
        """Whether it is there to set the scale."""
        return self.kind in REFERENCES

    @property
    def seeds(self) -> list[int]:
        return [run["seed"] for run in self.runs]

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
        bad = [run for run in self.runs if run["status"] != "complete"]
        if not bad:
            return ""
        if len(self.runs) == 1:
            return str(bad[0]["status"]).replace("running", f"cycle {bad[0]['completed']} so far")
        return f"{len(bad)} of {len(self.runs)} seeds {bad[0]['status'].split(' at ')[0]}"

    @cached_property
    def _values(self) -> dict[str, list[dict[tuple, dict[str, Any]]]]:
        regions = self.first["regions"]
        return {region: [values_of(run, region) for run in self.runs] for region in regions}

    @property
    def metrics(self) -> dict[str, str]:
        """Those that it has a number of."""
        known = {
            key[2]
            for v in self._values["global"]
            for key, row in v.items()
            if row["value"] is not None
        }
        return {metric: text for metric, text in METRICS.items() if metric in known}

    def over(
        self,
        cell: Cell,
        metric: str,
        region: str = "global",
        seeds: Container[int] | None = None,
    ) -> Spread:
        """Median and range over the seeds (default all), of which one that diverged is worse than
        all others."""
        pairs = zip(self.seeds, self._values.get(region, []), strict=False)
        found = (values for seed, values in pairs if seeds is None or seed in seeds)
        return over_seeds(v.get((*cell, metric), {}).get("value") for v in found)

    def shown(self, cell: Cell, metric: str) -> Value:
        """The median with its interval: of one seed's cycles, or the range of the seeds."""
        found = self.over(cell, metric)
        if found.median is None:
            return Value("–")
        text = number(found.median)
        if len(self.runs) > 1:
            high = "diverged" if found.missing else number(found.high)
            return Value(text, found.median, f"{number(found.low)} to {high}")
        row = self._values["global"][0][(*cell, metric)]
        low, high = row["low"], row["high"]
        note = "" if low is None else f"{number(low)} to {number(high)}"
        return Value(text, found.median, note)

    def diagnostic(self, name: str) -> Value:
        found = [run["ensemble"].get(name, {}).get("mean") for run in self.runs]
        return _median(found)

    def cost(self, name: str) -> Value:
        """In the units of `costs_in`."""
        scale = BYTES[self.memory_in] if "_bytes" in name else 1.0
        found = (run["cost"].get(name) for run in self.runs)
        return _median(None if v is None else v / scale for v in found)

    @property
    def memory(self) -> Value:
        """Peak of a cycle, a member."""
        found = (self.cost(name) for name in MEMORY)
        return next((v for v in found if v.sort is not None), Value("–"))

    @property
    def evaluations(self) -> Value:
        """Of the denoiser, a member and cycle."""
        work = [(run["cost"].get("evaluations"), max(1, run["completed"])) for run in self.runs]
        return _median(total / cycles if total else None for total, cycles in work)

    def each(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        """A row a seed: how it ended, RMSE of some cells, when and on what it was made."""
        rows = []
        for run in self.runs:
            values, made = values_of(run), run["provenance"]
            rmse = [values.get((*cell, "rmse"), {}).get("value") for cell in cells]
            shown = {
                "seed": run["seed"],
                "status": run["status"],
                "rmse": list(map(number, rmse)),
            }
            texts = {k: str(made.get(v) or "–")[:60] for k, v in MADE.items()}
            texts["made"] = texts["made"][:16].replace("T", " ")  # to the minute
            rows.append(shown | texts)
        return rows

    @property
    def diagnostics(self) -> list[tuple[str, str, str]]:
        """(name, mean, least) over scored cycles, then costs; medians over the seeds."""
        names = {name for run in self.runs for name in run["ensemble"]}
        rows = []
        for name in sorted(names, key=lambda n: (n not in DIAGNOSTICS, n)):
            found = [run["ensemble"].get(name, {}) for run in self.runs]
            ends = (_median(f.get(k) for f in found).text for k in ("mean", "min"))
            rows.append((DIAGNOSTICS.get(name, name), *ends))
        known = [n for n in COSTS if any(run["cost"].get(n) is not None for run in self.runs)]
        names = costs_in(self.memory_in)
        return rows + [(names[name], self.cost(name).text, "") for name in known]

    @property
    def innovations(self) -> list[dict[str, Any]]:
        """Of the first seed, a row a group, variable and level."""
        return _fits(self.first["observations"], INNOVATIONS)

    @property
    def withheld(self) -> list[dict[str, Any]]:
        """Of the first seed, a row a stage, group, variable and level."""
        return _fits(self.first.get("withheld"), WITHHELD)

    @property
    def desroziers(self) -> bool:
        seen = self.first["observations"]
        return any(row.get("desroziers") is not None for row in (seen["groups"] if seen else []))

    @property
    def settings(self) -> dict[str, str]:
        """Filter, members and settings as terms."""
        run = self.first
        shown = {"filter": run["filter"], "members": run["members"], **run["settings"]}
        return {str(k)[:120]: words(v) or "–" for k, v in shown.items()}

    @property
    def commands(self) -> list[str]:
        """That made the runs."""
        found = (str(run["provenance"].get("command") or "")[:2000] for run in self.runs)
        return [text for text in dict.fromkeys(found) if text]

    def sparkline(self, cell: Cell, size: tuple[int, int] = (96, 24)) -> str:
        """Points of a polyline: RMSE of the first seed over time, its logarithm."""
        series = next(
            (
                line["values"]
                for line in self.first["series"]
                if (line["variable"], line["level"], line["metric"]) == (*cell, "rmse")
            ),
            [],
        )
        values = np.array([v if v else np.nan for v in series], float)
        values = values[:: max(1, len(values) // 24)]
        if np.isfinite(values).sum() < 2:
            return ""
        height = np.log(values)
        span = (np.nanmax(height) - np.nanmin(height)) or 1.0
        x = np.linspace(1, size[0] - 1, len(values))
        y = 1 + (np.nanmax(height) - height) / span * (size[1] - 2)
        return " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))


def _fits(seen: Mapping[str, Any] | None, names: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of departures as texts."""
    return [
        {
            "group": ", ".join(filter(None, (row["group"], row.get("stage")))),
            "what": title(row["variable"], row["level"]),
            "numbers": {n: _told(row.get(n)) for n in names},
        }
        for row in (seen["groups"] if seen else [])
    ]


def _told(value: float | None) -> str:
    return str(value) if isinstance(value, int) else number(value)


def costs_in(memory: str) -> dict[str, str]:
    """`COSTS` with the unit of memory."""
    return {name: f"{text}, {memory}" * ("_bytes" in name) or text for name, text in COSTS.items()}


def memory_unit(runs: Iterable[Run]) -> str:
    """kB where no run knows of a step that takes a tenth of a megabyte a member."""
    found = [run["cost"].get(name) or 0.0 for run in runs for name in MEMORY]
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
