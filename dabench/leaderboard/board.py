"""A board: all methods on one problem, compared with the free ensemble."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from dabench.leaderboard.cost_and_skill import cost_and_skill, geometric_mean
from dabench.leaderboard.format import label, number, title, units
from dabench.leaderboard.labels import is_beside
from dabench.leaderboard.methods import METHODS, Method, colour_names, in_order
from dabench.leaderboard.pairs import Mark, Pairs
from dabench.leaderboard.published import Line, Published, lines, published_of
from dabench.leaderboard.row import LONGEST, Row, Value, author_of, shade, words
from dabench.leaderboard.sparklines import Sparklines, sparklines
from dabench.leaderboard.stale import stale_since
from dabench.leaderboard.vocabulary import METRICS
from dabench.scores.headlines import REFERENCE, headlines
from dabench.scores.identity import ProblemIdentity
from dabench.scores.observed import OBSERVED, kinds_of_fields
from dabench.scores.record import GLOBAL, Cell, Scores, sharing_fields
from dabench.scores.seeds import truths_in_words

KEPT = {"ranks": "histograms", "spectra": "spectra"}
"""Field of the scores that a figure shows."""


SPREAD_OUT = ("spread", "ranks")
"""Figures of the spread of members."""


def absent(rows: Sequence[Row], figure: str, cell: Cell) -> str:
    """Which methods a figure does not show and why, in a sentence for each reason.

    Arguments:
        figure: Name of a figure, or of a metric that has a column.
        cell: Cell that stands for the skill where no free ensemble was run.
    """
    absentees: dict[str, list[str]] = {}
    present = _present(rows, figure, cell)
    for row in rows:
        if row.method not in present:
            absentees.setdefault(_reason(row, figure), []).append(row.name)
    return " ".join(f"Without {', '.join(names)}: {reason}." for reason, names in absentees.items())


def _present(rows: Sequence[Row], figure: str, cell: Cell) -> set[str]:
    """The methods that a figure shows."""
    if figure == "pareto":
        kinds = cost_and_skill([run for row in rows for run in row.runs], cell)
        return {method for kind in kinds for method in kind.methods}
    if figure in KEPT:
        drawable = [row for row in rows if any(getattr(run, KEPT[figure]) for run in row.runs)]
        return {row.method for row in drawable if figure != "ranks" or row.first.members > 1}
    return {row.method for row in rows if figure not in METRICS or _has(row, figure)}


def _has(row: Row, metric: str) -> bool:
    series = (v for run in row.runs for key, v in run.every_cycle.items() if key.metric == metric)
    return any(np.isfinite(values).any() for values in series)


def _reason(row: Row, figure: str) -> str:
    if figure in SPREAD_OUT and row.first.members == 1:
        return "one member has no spread"
    if figure != "rmse" and not any(run.histograms for run in row.runs):
        return "no members were kept"
    return "no such numbers"


FIRST = "temp_4deg"
"""The scenario that the paper is about."""

SEVERAL = ("trajectory", "commit", "created", "device", "processor", "cores", "packages")
"""Keys of the provenance that differ between seeds."""


class Board:
    """All methods on one problem.

    `rows` are those of the methods themselves, which are ranked and tested against each other, and
    `beside` those of other ensemble sizes and of smoothers.

    Arguments:
        runs: Runs of one problem.
        slug: Name of its folder in the site.
    """

    def __init__(self, runs: Sequence[Scores], slug: str):
        self.slug, self.runs = slug, sharing_fields(runs)
        self.first = self.runs[0]
        self.cells = headlines(self.first.variables)
        by_method = {
            m: _of_latest_settings(self.runs, m) for m in in_order({run.method for run in runs})
        }
        every_row = self._make_rows(by_method)
        self.rows = [row for row in every_row if not is_beside(row.method, by_method)]
        self.beside = [row for row in every_row if row not in self.rows]
        rows = {row.method: row for row in self.rows}
        self.reference = rows.get(REFERENCE)
        self.pairs = Pairs(self.rows)
        self.rows.sort(key=self._rank)

    def _make_rows(self, by_method: Mapping[str, Sequence[Scores]]) -> list[Row]:
        several = any(len(runs) > 1 for runs in by_method.values())
        colours = colour_names(by_method)
        return [
            Row(runs, several=several, colour=colours[method]) for method, runs in by_method.items()
        ]

    def _rank(self, row: Row) -> tuple[bool, float]:
        """Sort key: the best method first, and last those without a ratio, in the usual order.

        Fields that are observed decide, where there are any.
        """
        ratio = next(iter(self.mean_ratios(row))).sort
        return ratio is None, ratio or 0.0

    @property
    def missing(self) -> list[Method]:
        """Methods that every board should have and that nobody has run here."""
        present = {row.method for row in self.rows}
        return [m for m in METHODS if m.expected and m.identifier not in present]

    @cached_property
    def published(self) -> Published | None:
        """What others have published of this problem; None without any."""
        return published_of(self.first.scenario)

    @property
    def lines(self) -> list[Line]:
        """The published curves, and what the rows of the board score unweighted."""
        runs = {row.name: row.runs for row in self.rows}
        return lines(self.published, runs) if self.published else []

    @property
    def stale(self) -> str:
        """What has changed since the rows were made; nothing where that is not known."""
        return stale_since(self.first)

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return self.first.problem.scenario

    @property
    def title(self) -> str:
        """Title of the scenario."""
        return str(self.first.scenario.get("title") or self.name)

    @property
    def sphere(self) -> bool:
        """Whether the system is an atmosphere."""
        return self.first.on_sphere

    def heading(self, cell: Cell) -> Value:
        """A cell as the head of a column: short name, units, full name."""
        unit = units(self.first.units(cell[0]))
        return Value(label(*cell), note=title(*cell), tint=unit)

    def ratio(self, row: Row, cell: Cell, metric: str, region: str = GLOBAL) -> float | None:
        """A score divided by the free ensemble's, over the seeds that both have."""
        if self.reference is None:
            return None
        return self.pairs.ratio(row, self.reference, cell, metric, region)

    @cached_property
    def kinds(self) -> dict[str, list[Cell]]:
        """Fields that are observed somewhere, and others; no mean is taken over both."""
        return kinds_of_fields(self.first)

    def mean_ratios(self, row: Row) -> list[Value]:
        """Geometric mean of the RMSE ratios of each kind of fields."""
        return [self.mean_ratio(row, kind) for kind in self.kinds]

    def mean_ratio(self, row: Row, kind: str) -> Value:
        """Geometric mean of the RMSE ratios of one kind of fields; nothing if there are none."""
        cells = self.kinds.get(kind, [])
        mean = geometric_mean([self.ratio(row, cell, "rmse") for cell in cells])
        return Value(number(mean), mean, tint=shade(mean))

    @cached_property
    def all_cells(self) -> list[Cell]:
        """Every variable at every level."""
        return self.first.cells

    @cached_property
    def sparklines(self) -> Sparklines:
        """The error of the first headline cell against time, for every row."""
        return sparklines(self.rows, self.cells[0])

    @property
    def columns(self) -> dict[str, list[Cell]]:
        """Headline cells by kind, those that are observed first."""
        kinds = {kind: [c for c in self.cells if c in cells] for kind, cells in self.kinds.items()}
        return {kind: cells for kind, cells in kinds.items() if cells}

    def is_observed(self, cell: Cell) -> bool:
        """Whether a field is observed somewhere."""
        return cell in self.kinds.get(OBSERVED, ())

    def scorecard(
        self, row: Row, against: Row, region: str, metric: str
    ) -> dict[str, list[tuple[str, list[Mark | None]]]]:
        """Marks of one method against another, by kind of fields.

        Each is a list of rows, one a variable, with a column for each of `levels`; None where the
        variable has no such level, or the field is of the other kind.
        """
        return {
            kind: [
                (title(name), [self._mark(row, against, (name, p), cells, region, metric)
                               for p in self.levels])
                for name in dict.fromkeys(name for name, _ in cells)
            ]
            for kind, cells in self.kinds.items()
        }  # fmt: skip

    def _mark(
        self, row: Row, against: Row, cell: Cell, cells: Sequence[Cell], region: str, metric: str
    ) -> Mark | None:
        return self.pairs.mark(row, against, cell, metric, region) if cell in cells else None

    @cached_property
    def levels(self) -> list[float | None]:
        """All levels, the surface (no level) first."""
        levels = {level for _, level in self.first.cells}
        return sorted(levels, key=lambda level: -1.0 if level is None else level)

    def metrics(self, cell: Cell) -> dict[str, str]:
        """Titles of the metrics that any method has for a cell, by name."""
        return {
            m: text
            for m, text in METRICS.items()
            if any(row.over(cell, m).median is not None for row in self.rows)
        }

    def absent(self, figure: str) -> str:
        """Which methods a figure, or the column of a metric, does not show, and why."""
        return absent(self.rows, figure, self.cells[0])

    def problem(self) -> dict[str, str]:
        """The scenario in words, for a list of terms."""
        scenario, first = self.first.scenario, self.first
        terms = {
            "source": scenario.get("source"),
            "system": words(scenario.get("system", first.problem.system)),
            "period": f"{first.cycles} cycles, the first {first.spinup} not scored",
            "seeds": self._seeds(),
            "initial ensemble": words(scenario.get("initial")),
            "observed": f"{self._observed()} values a cycle" if self._observed() else None,
            "members": ", ".join(map(str, sorted({row.first.members for row in self.rows}))),
            "digest": str(scenario["digest"])[:16],
        }
        return {term: str(text) for term, text in terms.items() if text}

    def _seeds(self) -> str:
        """How many seeds there are, and of how many truths; nothing for one seed."""
        seeds, shared = len({run.seed for run in self.runs}), truths_in_words(self.runs)
        if seeds == 1:
            return ""
        return f"{seeds} of {shared}" if shared else f"{seeds}, each with its own truth"

    def groups(self) -> list[dict[str, str]]:
        """The groups of observations in words."""
        groups = self.first.scenario.get("observations")
        return [
            {str(k)[:120]: words(v) for k, v in group.items() if v not in (None, [], "")}
            for group in (groups if isinstance(groups, list) else [])
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
        """Diagnostics or costs of every row, and which of them any row has.

        Arguments:
            kind: `diagnostic` or `cost`, the method of `Row` that gives the values.
        """
        rows = [(row, {name: getattr(row, kind)(name) for name in names}) for row in self.rows]
        present = {name: any(values[name].sort is not None for _, values in rows) for name in names}
        return {"rows": rows, "known": present}

    @property
    def withheld(self) -> list[tuple[Row, dict[str, Any]]]:
        """Fits of all rows to the withheld observations."""
        return [(row, fit) for row in self.rows for fit in row.withheld]

    def provenance(self, row: Row) -> dict[str, str]:
        """Where a row comes from, for a list of terms."""
        run, of_seeds = row.first, {key: _of_seeds(row, key) for key in SEVERAL}
        terms = {
            "filter": run.filter,
            "settings": words(run.settings),
            "members": run.members,
            "seeds": ", ".join(str(r.seed) for r in row.runs),
            "status": ", ".join(dict.fromkeys(str(r.status) for r in row.runs)),
            "truth": of_seeds["trajectory"],
            "commit": of_seeds["commit"],
            "made": of_seeds["created"],
            "made by": ", ".join(dict.fromkeys(map(author_of, row.runs))),
            "device": of_seeds["device"],
            "processor": of_seeds["processor"],
            "cores": of_seeds["cores"],
            "packages": of_seeds["packages"],
            "settings' digest": run.digest[:16],
        }
        return {term: str(text)[:LONGEST] for term, text in terms.items() if text not in (None, "")}


def _of_seeds(row: Row, key: str) -> str:
    """What the provenances of all seeds say, each text once."""
    texts = dict.fromkeys(words(run.provenance.get(key)) for run in row.runs)
    return "; ".join(text or "not known" for text in texts) if any(texts) else ""


def _of_latest_settings(runs: Sequence[Scores], method: str) -> list[Scores]:
    """The runs of a method that were made with the settings of the latest one."""
    own = [run for run in runs if run.method == method]
    return [run for run in own if run.settings_digest == own[-1].settings_digest]


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
    all_boards = [Board(group, slug) for slug, group in zip(slugs, groups.values(), strict=True)]
    return sorted(all_boards, key=lambda b: (not b.sphere, b.name != FIRST, b.slug))


def _digests(problem: ProblemIdentity) -> str:
    return f"{problem.scenario_digest[:8]}-{problem.system_digest[:8]}"


def rows_by_method(all_boards: Iterable[Board]) -> dict[str, list[tuple[Board, Row]]]:
    """The boards and rows of each method, in the order of tables."""
    rows: dict[str, list[tuple[Board, Row]]] = {}
    for board in all_boards:
        for row in board.rows:
            rows.setdefault(row.method, []).append((board, row))
    return {method: rows[method] for method in in_order(rows)}
