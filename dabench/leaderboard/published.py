"""Curves that others have published of a scenario, which runs are held to in unweighted scores.

They are numbers read off figures and no runs: they have no intervals, enter no ratio, and stand in
a table of their own, beside what `metrics.UNWEIGHTED` says of the rows of a board.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dabench.leaderboard import RESULTS
from dabench.leaderboard.format import label, number, title, units
from dabench.scenario import catalogue, yamlfile
from dabench.scenario.load import load_scenario
from dabench.scenario.scenario import Scenario
from dabench.scores.metrics import UNWEIGHTED
from dabench.scores.record import Cell, Scores, Series
from dabench.scores.seeds import over_seeds

FILE = Path(__file__).with_name("published.yaml")
DAY = 86400.0


class Curve(NamedTuple):
    """RMSE of one variable and level.

    Arguments:
        days: Values on the days of `Published`; none where they were not read.
        mean: Mean over the cycles of `Published`; None where it was not read.
    """

    cell: Cell
    days: tuple[float, ...]
    mean: float | None


class PublishedMethod(NamedTuple):
    """The curves of one method."""

    name: str
    note: str
    curves: tuple[Curve, ...]


class Published(NamedTuple):
    """What one source has published of one scenario.

    Arguments:
        source, origin, mark, score: Who published it, where the numbers are from, how they are
            marked, and what they are.
        days: Days after the start.
        cycles: First and last cycle of the mean.
        units: Units of the variables.
    """

    scenario: str
    source: str
    origin: str
    mark: str
    score: str
    days: tuple[float, ...]
    cycles: tuple[int, int]
    units: Mapping[str, str]
    methods: tuple[PublishedMethod, ...]

    @property
    def columns(self) -> list[str]:
        """Headings of the columns of numbers."""
        first, last = self.cycles
        return [*(f"day {day:g}" for day in self.days), f"cycles {first} to {last}"]

    @property
    def cells(self) -> list[Cell]:
        """Every variable and level that any method has, in their order."""
        return list(dict.fromkeys(curve.cell for m in self.methods for curve in m.curves))


class Line(NamedTuple):
    """A line of the table: one method in one variable and level.

    Arguments:
        what, units, note: The variable and level, in short; its units; and in full.
        name, about: The method, and what is to be said of it.
        numbers: Texts of the columns.
        imported: Whether the numbers were published elsewhere.
    """

    what: str
    units: str
    note: str
    name: str
    about: str
    numbers: list[str]
    imported: bool


class Unrun(NamedTuple):
    """The place of a board that has published curves, and no run yet."""

    slug: str
    name: str
    title: str
    published: Published

    @property
    def lines(self) -> list[Line]:
        """The published curves alone."""
        return lines(self.published, {})


@cache
def all_published() -> dict[str, Published]:
    """Everything that is published, by the name of the scenario."""
    data = yamlfile.read(FILE).data
    names = dict.fromkeys(name for method in data["methods"] for name in method["scenarios"])
    return {name: _of_scenario(name, data) for name in names}


def _of_scenario(name: str, data: Mapping[str, Any]) -> Published:
    first, last = data["mean_of_cycles"]
    return Published(
        scenario=name,
        source=data["source"],
        origin=data["origin"],
        mark=data["mark"],
        score=data["score"],
        days=tuple(data["days"]),
        cycles=(first, last),
        units=data["units"],
        methods=tuple(_method(m) for m in data["methods"] if name in m["scenarios"]),
    )


def _method(data: Mapping[str, Any]) -> PublishedMethod:
    curves = (
        Curve(
            (c["variable"], float(c["level"]) if "level" in c else None),
            tuple(c.get("days", ())),
            c.get("mean"),
        )
        for c in data["curves"]
    )
    return PublishedMethod(data["name"], data["note"], tuple(curves))


def published_of(scenario: Mapping[str, Any]) -> Published | None:
    """What is published of a problem as a run records it; None where it observes other things.

    Arguments:
        scenario: Content of a scenario's file; the system's data and the number of cycles may be
            other ones than in today's file.
    """
    published = all_published().get(scenario.get("name", ""))
    if published is None or published.scenario not in catalogue.names("scenarios"):
        return None
    today, period = _today(published.scenario).plain(), scenario.get("period")
    start = period.get("start") if isinstance(period, Mapping) else None
    same = scenario.get("observations") == today["observations"]
    return published if same and start == today["period"]["start"] else None


@cache
def _today(name: str) -> Scenario:
    return load_scenario(name)


def unrun(names: Iterable[str], sources: Iterable[Path]) -> list[Unrun]:
    """Published problems without a board of runs, where the published results are shown.

    Arguments:
        names: Names of the scenarios that have boards.
        sources: What a site is made of.
    """
    places = {folder.resolve() for folder in catalogue.folders(RESULTS)}
    if not places & {source.resolve() for source in sources}:
        return []
    missing = [p for name, p in all_published().items() if name not in set(names)]
    return [_unrun(p) for p in missing if p.scenario in catalogue.names("scenarios")]


def _unrun(published: Published) -> Unrun:
    scenario = _today(published.scenario)
    slug = f"{published.scenario}-{scenario.system.name}".replace("/", "-")
    return Unrun(slug, published.scenario, scenario.title, published)


def lines(published: Published, rows: Mapping[str, Sequence[Scores]]) -> list[Line]:
    """The table: for each variable and level the published methods, then those of a board.

    Arguments:
        rows: Runs of each method by its display name, one a seed.
    """
    table = []
    for cell in published.cells:
        what = label(*cell), units(published.units[cell[0]]), title(*cell)
        for method in published.methods:
            for curve in (c for c in method.curves if c.cell == cell):
                numbers = _as_read(curve, len(published.days))
                table.append(Line(*what, method.name, published.mark, numbers, imported=True))
        for name, runs in rows.items():
            numbers = [number(v) for v in unweighted(published, runs, cell)]
            about = f"{runs[0].members} members, unweighted"
            table.append(Line(*what, name, about, numbers, imported=False))
    return table


def _as_read(curve: Curve, days: int) -> list[str]:
    """The numbers of a published curve with the digits that were read, no more."""
    values = (*(curve.days or (None,) * days), curve.mean)
    return [number(None) if v is None else f"{v:g}" for v in values]


def unweighted(published: Published, runs: Sequence[Scores], cell: Cell) -> list[float | None]:
    """Medians over seeds of the unweighted RMSE in the columns of what is published."""
    columns = [_columns(published, run, run.series(cell, "rmse", UNWEIGHTED)) for run in runs]
    return [over_seeds(values).median for values in zip(*columns, strict=True)]


def _columns(published: Published, run: Scores, series: Series) -> list[float | None]:
    """The RMSE of one run on each day, and its mean over cycles; None where it was not scored."""
    elapsed = (run.seconds - run.seconds[0])[: len(series)]
    days = [series[np.isclose(elapsed, day * DAY)] for day in published.days]
    first, last = published.cycles
    window = series[first : last + 1]
    mean = [window.mean()] if len(window) == last + 1 - first else []
    values = [float(v[0]) if len(v) else None for v in (*days, mean)]
    return [v if v is not None and np.isfinite(v) else None for v in values]
