"""A board: one problem, its rows, and which of them a figure cannot show."""

import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dabench.core.errors import Caution, UserError
from dabench.leaderboard.cost_and_skill import cost_and_skill
from dabench.leaderboard.format import label, number, title, units
from dabench.leaderboard.methods import METHODS, Method, colour_names, in_order
from dabench.leaderboard.row import Row, Value, costs_in, memory_unit, shade, words
from dabench.leaderboard.stale import stale_since
from dabench.leaderboard.vocabulary import METRICS
from dabench.scores.compare import compare_all
from dabench.scores.headlines import REFERENCE, headlines
from dabench.scores.identity import ProblemIdentity
from dabench.scores.record import GLOBAL, Cell, Scores

KEPT = {"ranks": "histograms", "spectra": "spectra"}
"""Field of the scores that a figure shows."""


def absent(rows: Sequence[Row], figure: str, cell: Cell) -> str:
    """A sentence for each reason; nothing if all methods are there.

    Arguments:
        figure: Its name; a metric's is also that of its column.
        cell: That skill against cost is of, without a reference.
    """
    missing: dict[str, list[str]] = {}
    shown = _shown(rows, figure, cell)
    for row in rows:
        if row.method not in shown:
            missing.setdefault(_why(row, figure), []).append(row.name)
    return " ".join(f"Without {', '.join(names)}: {why}." for why, names in missing.items())


def _shown(rows: Sequence[Row], figure: str, cell: Cell) -> set[str]:
    if figure == "pareto":
        return cost_and_skill([run for row in rows for run in row.runs], cell).methods
    if figure in KEPT:
        return {e.method for e in rows if any(getattr(run, KEPT[figure]) for run in e.runs)}
    return {e.method for e in rows if figure not in METRICS or _has(e, figure)}


def _has(row: Row, metric: str) -> bool:
    series = (v for run in row.runs for key, v in run.every_cycle.items() if key.metric == metric)
    return any(np.isfinite(values).any() for values in series)


def _why(row: Row, figure: str) -> str:
    if figure == "spread" and row.first.members == 1:
        return "one member has no spread"
    if figure != "rmse" and not any(run.histograms for run in row.runs):
        return "no members were kept"
    return "no such numbers"


FIRST = "temp_4deg"
"""The scenario that the paper is about."""

MARKS = {"better": "*", "worse": "*", "same": ""}
"""Of ratios by verdict; ? where there is too little to tell."""

SEVERAL = ("commit", "created", "device", "processor", "cores", "packages")
"""Of which each seed has its own."""


class Board:
    """All methods on one problem."""

    def __init__(self, runs: Sequence[Scores], slug: str):
        self.slug, self.runs = slug, list(runs)
        self.first = self.runs[0]
        by_method = {m: _alike(runs, m) for m in {run.method for run in runs}}
        several = any(len(own) > 1 for own in by_method.values())
        self.memory_in = memory_unit(self.runs)
        colours = colour_names(by_method)
        shown = {"several": several, "memory_in": self.memory_in}
        self.rows = [Row(by_method[m], colour=colours[m], **shown) for m in in_order(by_method)]
        self.cells = headlines(self.first.variables)
        self.reference = next((e for e in self.rows if e.method == REFERENCE), None)
        self.rows.sort(key=self._rank)

    def _rank(self, row: Row) -> tuple[bool, float]:
        """The best first; after them, in their usual order, those without a ratio."""
        ratio = self.mean_ratio(row).sort
        return ratio is None, ratio or 0.0

    @property
    def missing(self) -> list[Method]:
        """Methods that every board should have and that nobody has run here."""
        present = {row.method for row in self.rows}
        return [m for m in METHODS if m.expected and m.identifier not in present]

    @property
    def stale(self) -> str:
        """What has changed since the rows were made; nothing where that is not known."""
        return stale_since(self.first)

    @property
    def name(self) -> str:
        return self.first.problem.scenario

    @property
    def title(self) -> str:
        return str(self.first.scenario.get("title") or self.name)

    @property
    def sphere(self) -> bool:
        return self.first.on_sphere

    def heading(self, cell: Cell) -> Value:
        """A cell as the head of a column: short name, units, full name."""
        unit = units(self.first.units(cell[0]))
        return Value(label(*cell), note=title(*cell), tint=unit)

    def ratio(self, row: Row, cell: Cell, metric: str, region: str = GLOBAL) -> float | None:
        """To the unconditional ensemble, over the seeds that both have."""
        if self.reference is None:
            return None
        both, pair = {*row.seeds} & {*self.reference.seeds}, (row, self.reference)
        ours, theirs = (e.over(cell, metric, region, both).median for e in pair)
        return ours / theirs if ours is not None and theirs else None

    def mean_ratio(self, row: Row) -> Value:
        """Geometric mean of the RMSE ratios of all variables and levels."""
        found = [self.ratio(row, cell, "rmse") for cell in self.all_cells]
        known = [f for f in found if f]
        if not known or len(known) < len(found):
            return Value("–")
        mean = float(np.exp(np.mean(np.log(known))))
        return Value(number(mean), mean, tint=shade(mean))

    @cached_property
    def all_cells(self) -> list[Cell]:
        return self.first.cells

    def scorecard(self, row: Row, region: str, metric: str) -> list[tuple[str, list[Value]]]:
        """Rows of variables, columns of `levels`: ratios to the unconditional ensemble."""
        rows = []
        for name, variable in self.first.variables.items():
            own = variable.levels
            cells = [
                self._ratio(row, (name, level), metric, region) if level in own else Value("")
                for level in self.levels
            ]
            rows.append((title(name), cells))
        return rows

    def _ratio(self, row: Row, cell: Cell, metric: str, region: str) -> Value:
        ratio = self.ratio(row, cell, metric, region)
        verdict = self._verdicts.get((row.method, *cell, metric), "")
        mark = MARKS.get(verdict, "?") if region == GLOBAL and ratio is not None else ""
        return Value(number(ratio, 2) + mark, ratio, tint=shade(ratio))

    @cached_property
    def _verdicts(self) -> dict[tuple, str]:
        """Paired tests against the unconditional ensemble, by (method, variable, level, metric).

        They allow for each other, all methods' of them.
        """
        runs = [run for row in self.rows for run in row.runs]
        try:
            with warnings.catch_warnings(action="ignore", category=Caution):
                table = compare_all(runs, all_cells=True)
        except UserError:  # nothing to hold to, or no seed in common
            return {}
        return {
            (row["method"], row["variable"], _level(row["level"]), row["metric"]): row["verdict"]
            for row in table.to_dict("records")
        }

    @cached_property
    def levels(self) -> list[float | None]:
        """All levels, the surface (no level) first."""
        found = {level for _, level in self.first.cells}
        return sorted(found, key=lambda level: -1.0 if level is None else level)

    def metrics(self, cell: Cell) -> dict[str, str]:
        """Those metrics that a method has for a cell."""
        return {
            m: text
            for m, text in METRICS.items()
            if any(e.over(cell, m).median is not None for e in self.rows)
        }

    def absent(self, figure: str) -> str:
        """Which methods a figure, or the column of a metric, does not show, and why."""
        return absent(self.rows, figure, self.cells[0])

    @property
    def cost_names(self) -> dict[str, str]:
        return costs_in(self.memory_in)

    def problem(self) -> dict[str, str]:
        """The scenario in words, for a list of terms."""
        scenario, first = self.first.scenario, self.first
        shown = {
            "source": scenario.get("source"),
            "system": words(scenario.get("system", first.problem.system)),
            "period": f"{first.cycles} cycles, the first {first.spinup} not scored",
            "initial ensemble": words(scenario.get("initial")),
            "observed": f"{self._observed()} values a cycle" if self._observed() else None,
            "members": ", ".join(map(str, sorted({run.members for run in self.runs}))),
            "digest": str(scenario["digest"])[:16],
        }
        return {term: str(text) for term, text in shown.items() if text}

    def groups(self) -> list[dict[str, str]]:
        """The groups of observations in words."""
        given = self.first.scenario.get("observations")
        return [
            {str(k)[:120]: words(v) for k, v in group.items() if v not in (None, [], "")}
            for group in (given if isinstance(given, list) else [])
            if isinstance(group, dict)
        ][:50]

    def _observed(self) -> int | None:
        fits = [run.observations for run in self.runs if run.observations]
        return sum(group["count"] for group in fits[0].groups) if fits else None

    @property
    def weighed(self) -> bool:
        """Whether the memory of any method is known."""
        return any(row.memory.sort is not None for row in self.rows)

    def diagnostics(self, kind: str, names: Iterable[str]) -> dict[str, Any]:
        """A row a method of its `diagnostic` or `cost` values, and which of them any method has."""
        rows = [(e, {name: getattr(e, kind)(name) for name in names}) for e in self.rows]
        known = {name: any(values[name].sort is not None for _, values in rows) for name in names}
        return {"rows": rows, "known": known}

    @property
    def innovations(self) -> list[tuple[Row, dict[str, Any]]]:
        return [(row, fit) for row in self.rows for fit in row.innovations]

    @property
    def withheld(self) -> list[tuple[Row, dict[str, Any]]]:
        return [(row, fit) for row in self.rows for fit in row.withheld]

    def provenance(self, row: Row) -> dict[str, str]:
        """Where a row comes from, for a list of terms."""
        run, made = row.first, {key: _of_seeds(row, key) for key in SEVERAL}
        shown = {
            "filter": run.filter,
            "settings": words(run.settings),
            "members": run.members,
            "seeds": ", ".join(str(r.seed) for r in row.runs),
            "status": ", ".join(dict.fromkeys(str(r.status) for r in row.runs)),
            "commit": made["commit"],
            "made": made["created"],
            "device": made["device"],
            "processor": made["processor"],
            "cores": made["cores"],
            "packages": made["packages"],
            "settings' digest": run.digest[:16],
        }
        return {term: str(text)[:2000] for term, text in shown.items() if text not in (None, "")}


def _of_seeds(row: Row, key: str) -> str:
    """What the provenances of all seeds say, each text once."""
    texts = dict.fromkeys(words(run.provenance.get(key)) for run in row.runs)
    return "; ".join(text or "not known" for text in texts) if any(texts) else ""


def _alike(runs: Sequence[Scores], method: str) -> list[Scores]:
    """The runs of a method that were made with the settings of the latest one."""
    own = [run for run in runs if run.method == method]
    return [run for run in own if run.settings_digest == own[-1].settings_digest]


def _level(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def boards(runs: Iterable[Scores]) -> list[Board]:
    """Runs by problem: other digests or versions of the metrics never share a board.

    The paper's problem comes first, then other atmospheres, then toy systems.
    """
    groups: dict[ProblemIdentity, list[Scores]] = {}
    for run in runs:
        groups.setdefault(run.problem, []).append(run)
    plain = [f"{key.scenario}-{key.system}".replace("/", "-") for key in groups]
    slugs = [
        slug if plain.count(slug) == 1 else f"{slug}-{_digests(problem)}"
        for slug, problem in zip(plain, groups, strict=True)
    ]
    found = [Board(group, slug) for slug, group in zip(slugs, groups.values(), strict=True)]
    return sorted(found, key=lambda b: (not b.sphere, b.name != FIRST, b.slug))


def _digests(problem: ProblemIdentity) -> str:
    return f"{problem.scenario_digest[:8]}-{problem.system_digest[:8]}"


def rows_by_method(shown: Iterable[Board]) -> dict[str, list[tuple[Board, Row]]]:
    """Where each method has a row."""
    found: dict[str, list[tuple[Board, Row]]] = {}
    for board in shown:
        for row in board.rows:
            found.setdefault(row.method, []).append((board, row))
    return {method: found[method] for method in in_order(found)}
