"""What the pages of the leaderboard show: rows, cells, sparklines; from runs to plain values."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dabench.headlines import (
    REFERENCE,
    Cell,
    headlines,
    in_order,
    label,
    number,
    title,
    units,
    values_of,
)
from dabench.results import problem

Run = Mapping[str, Any]

STEPS = (0.1, 0.25, 0.5, 0.75, 0.95, 1.05, 1.25, 1.5, 2.0, 4.0)
"""Between them the classes of a ratio's colour: b5 .. b1 better, n the same, w1 .. w5 worse."""
CLASSES = ("b5", "b4", "b3", "b2", "b1", "n", "w1", "w2", "w3", "w4", "w5")

METRICS = {
    "rmse": "RMSE",
    "spread": "spread",
    "spread_skill": "spread/skill",
    "crps": "CRPS",
    "crps_plain": "CRPS, plain",
    "bias": "bias",
    "acc": "ACC",
}


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


class Entry:
    """One method of a board: its runs, one a seed; numbers are medians over them."""

    def __init__(self, runs: Sequence[Run]):
        self.runs = sorted(runs, key=lambda run: run["seed"])
        self.method = str(self.runs[0]["method"])

    @property
    def first(self) -> Run:
        return self.runs[0]

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

    def value(self, cell: Cell, metric: str, region: str = "global") -> float | None:
        """Median over the seeds; None if one has no value."""
        found = [v.get((*cell, metric), {}).get("value") for v in self._values.get(region, [])]
        known = [f for f in found if f is not None]
        return float(np.median(known)) if known and len(known) == len(found) else None

    def shown(self, cell: Cell, metric: str) -> Value:
        """The median with its interval: of one seed's cycles, or the range of the seeds."""
        value = self.value(cell, metric)
        if value is None:
            return Value("–")
        rows = [v[(*cell, metric)] for v in self._values["global"]]
        if len(rows) > 1:
            ends = min(r["value"] for r in rows), max(r["value"] for r in rows)
            return Value(number(value), value, f"{number(ends[0])} to {number(ends[1])}, all seeds")
        low, high = rows[0]["low"], rows[0]["high"]
        note = "" if low is None else f"{number(low)} to {number(high)}"
        return Value(number(value), value, note)

    def diagnostic(self, name: str) -> Value:
        found = [run["ensemble"].get(name, {}).get("mean") for run in self.runs]
        return _median(found)

    def cost(self, name: str) -> Value:
        return _median([run["cost"].get(name) for run in self.runs])

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
        values = values[:: max(1, len(values) // 120)]
        if np.isfinite(values).sum() < 2:
            return ""
        height = np.log(values)
        span = (np.nanmax(height) - np.nanmin(height)) or 1.0
        x = np.linspace(1, size[0] - 1, len(values))
        y = 1 + (np.nanmax(height) - height) / span * (size[1] - 2)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))


def _median(found: Iterable[float | None]) -> Value:
    known = [f for f in found if f is not None]
    return Value(number(float(np.median(known))), float(np.median(known))) if known else Value("–")


class Board:
    """All methods on one problem."""

    def __init__(self, runs: Sequence[Run], slug: str):
        self.slug, self.runs = slug, list(runs)
        self.first = self.runs[0]
        by_method = {m: [r for r in runs if r["method"] == m] for m in {r["method"] for r in runs}}
        self.entries = [Entry(by_method[m]) for m in in_order(by_method)]
        self.cells = headlines(self.first["variables"])
        self.reference = next((e for e in self.entries if e.method == REFERENCE), None)

    @property
    def name(self) -> str:
        return str(self.first["scenario"]["name"])

    @property
    def title(self) -> str:
        return str(self.first["scenario"].get("title") or self.name)

    @property
    def sphere(self) -> bool:
        return len(self.first["regions"]) > 1

    def heading(self, cell: Cell) -> Value:
        """A cell as the head of a column: short name, units, full name."""
        unit = units(self.first["variables"].get(cell[0], {}).get("units", ""))
        return Value(label(*cell), note=title(*cell), tint=unit)

    def ratio(self, entry: Entry, cell: Cell, metric: str, region: str = "global") -> float | None:
        """To the unconditional ensemble."""
        if self.reference is None:
            return None
        ours, theirs = (e.value(cell, metric, region) for e in (entry, self.reference))
        return ours / theirs if ours is not None and theirs else None

    def mean_ratio(self, entry: Entry) -> Value:
        """Geometric mean of the RMSE ratios of all variables and levels."""
        found = [self.ratio(entry, cell, "rmse") for cell in self.all_cells]
        known = [f for f in found if f]
        if not known or len(known) < len(found):
            return Value("–")
        mean = float(np.exp(np.mean(np.log(known))))
        return Value(number(mean), mean, "geometric mean over variables and levels", shade(mean))

    @cached_property
    def all_cells(self) -> list[Cell]:
        variables = self.first["variables"]
        return [(name, level) for name, v in variables.items() for level in v["levels"]]

    def scorecard(self, entry: Entry, region: str, metric: str) -> list[tuple[str, list[Value]]]:
        """Rows of variables, columns of `levels`: ratios to the unconditional ensemble."""
        rows = []
        for name in self.first["variables"]:
            own = self.first["variables"][name]["levels"]
            cells = [
                self._ratio(entry, (name, level), metric, region) if level in own else Value("")
                for level in self.levels
            ]
            rows.append((title(name), cells))
        return rows

    def _ratio(self, entry: Entry, cell: Cell, metric: str, region: str) -> Value:
        ratio = self.ratio(entry, cell, metric, region)
        return Value(number(ratio, 2), ratio, title(*cell), shade(ratio))

    @cached_property
    def levels(self) -> list[float | None]:
        """All levels, the surface (no level) first."""
        found = {level for v in self.first["variables"].values() for level in v["levels"]}
        return sorted(found, key=lambda level: -1.0 if level is None else level)

    def metrics(self, cell: Cell) -> dict[str, str]:
        """Those metrics that a method has for a cell."""
        return {
            m: text
            for m, text in METRICS.items()
            if any(e.value(cell, m) is not None for e in self.entries)
        }

    def problem(self) -> dict[str, str]:
        """The scenario in words, for a list of terms."""
        scenario, first = self.first["scenario"], self.first
        shown = {
            "source": scenario.get("source"),
            "system": _words(scenario.get("system", first["system"]["name"])),
            "period": f"{first['cycles']} cycles, the first {first['spinup']} not scored",
            "initial ensemble": _words(scenario.get("initial")),
            "observed": f"{self._observed()} values a cycle" if self._observed() else None,
            "members": ", ".join(map(str, sorted({run["members"] for run in self.runs}))),
            "digest": str(scenario["digest"])[:16],
        }
        return {term: str(text) for term, text in shown.items() if text}

    def groups(self) -> list[dict[str, str]]:
        """The groups of observations in words."""
        given = self.first["scenario"].get("observations")
        return [
            {str(k): _words(v) for k, v in group.items() if v not in (None, [], "")}
            for group in (given if isinstance(given, list) else [])
            if isinstance(group, dict)
        ][:50]

    def _observed(self) -> int | None:
        seen = next((run["observations"] for run in self.runs if run["observations"]), None)
        return sum(group["count"] for group in seen["groups"]) if seen else None

    def provenance(self, entry: Entry) -> dict[str, str]:
        """Where a row comes from, for a list of terms."""
        run, made = entry.first, entry.first["provenance"]
        shown = {
            "filter": run["filter"],
            "settings": _words(run["settings"]),
            "members": run["members"],
            "seeds": ", ".join(str(r["seed"]) for r in entry.runs),
            "status": ", ".join(dict.fromkeys(r["status"] for r in entry.runs)),
            "command": made.get("command"),
            "commit": made.get("commit"),
            "made": made.get("created"),
            "device": made.get("device"),
            "processor": made.get("processor"),
            "packages": _words(made.get("packages")),
            "settings' digest": str(run["digest"])[:16],
        }
        return {term: str(text)[:2000] for term, text in shown.items() if text not in (None, "")}


def _words(value: Any) -> str:
    """Plain data as a line of text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_words(v)}" for k, v in value.items())[:2000]
    if isinstance(value, list | tuple) and all(isinstance(v, str | int | float) for v in value):
        return ", ".join(map(str, value))[:2000]
    return json.dumps(value)[:2000]


def boards(runs: Iterable[Run]) -> list[Board]:
    """Runs by problem: other digests or versions of the metrics never share a board.

    Atmospheres come before toy systems.
    """
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(problem(run), []).append(run)
    plain = [f"{key[0]}-{key[2]}".replace("/", "-") for key in groups]
    slugs = [
        slug if plain.count(slug) == 1 else f"{slug}-{key[1][:8]}-{key[3][:8]}"
        for slug, key in zip(plain, groups, strict=True)
    ]
    found = [Board(group, slug) for slug, group in zip(slugs, groups.values(), strict=True)]
    return sorted(found, key=lambda board: (not board.sphere, board.slug))
