"""Every method of a board against every other one: ratios of scores, and what tests say of them."""

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dabench.core.errors import Caution
from dabench.leaderboard.format import number
from dabench.leaderboard.row import Row, shade
from dabench.scores.compare import compare_pairs
from dabench.scores.record import GLOBAL, Cell

OPPOSITE = {"better": "worse", "worse": "better"}
LARGE = 0.75
"""A ratio below this, or above its inverse, has the large triangle."""
TOLD = {"better": "significant", "worse": "significant", "same": "not significant"}


class Mark(NamedTuple):
    """A cell of a scorecard.

    Arguments:
        ratio: One method's score over the other's; None where one of them has none.
        arrow: Class of its sign: `up`, `down`, each also with ` large`; `open` where there is too
            little to test; nothing where the difference is not significant or was not tested.
        words: The same for people who do not see it.
    """

    ratio: float | None
    arrow: str
    words: str

    @property
    def tint(self) -> str:
        """Class of the colour of the ratio."""
        return shade(self.ratio)

    @property
    def text(self) -> str:
        """The ratio in two digits."""
        return number(self.ratio, 2)


class Count(NamedTuple):
    """In how many fields one method is significantly better than another, worse, or neither.

    Arguments:
        fields: Number of all fields, those among them where there is too little to test.
    """

    better: int
    worse: int
    same: int
    fields: int

    @property
    def tested(self) -> bool:
        """Whether there was enough to test any field."""
        return self.better + self.worse + self.same > 0

    @property
    def tied(self) -> bool:
        """Whether tests do not tell the two apart: no more fields are better than worse."""
        return self.tested and self.better <= self.worse


class Pairs:
    """The methods of one board in pairs.

    Arguments:
        rows: Rows of the board.
    """

    def __init__(self, rows: Sequence[Row]):
        self.rows = list(rows)

    def ratio(
        self, one: Row, other: Row, cell: Cell, metric: str, region: str = GLOBAL
    ) -> float | None:
        """A score divided by the other method's, over the seeds that both have."""
        shared = {*one.seeds} & {*other.seeds}
        ours = one.over(cell, metric, region, shared).median
        theirs = other.over(cell, metric, region, shared).median
        return ours / theirs if ours is not None and theirs else None

    def verdict(self, one: Row, other: Row, cell: Cell, metric: str) -> str:
        """What the paired test says of one method; nothing where it was not made."""
        return self._verdicts.get((one.method, other.method, *cell, metric), "")

    def mark(self, one: Row, other: Row, cell: Cell, metric: str, region: str = GLOBAL) -> Mark:
        """The cell of a scorecard of one method against another; only global scores are tested."""
        ratio = self.ratio(one, other, cell, metric, region)
        if ratio is None:
            return Mark(None, "", "no score")
        verdict = self.verdict(one, other, cell, metric) if region == GLOBAL else ""
        return Mark(ratio, _arrow(ratio, verdict), _words(ratio, verdict, region))

    def count(self, one: Row, other: Row, cells: Sequence[Cell], metric: str = "rmse") -> Count:
        """Fields in which one method is significantly better or worse than another."""
        verdicts = [self.verdict(one, other, cell, metric) for cell in cells]
        return Count(*map(verdicts.count, ("better", "worse", "same")), fields=len(cells))

    @cached_property
    def _verdicts(self) -> Mapping[tuple, str]:
        """Verdicts by method, other method, variable, level and metric.

        Their p-values allow for all pairs, fields and metrics of the board.
        """
        with warnings.catch_warnings(action="ignore", category=Caution):
            table = compare_pairs(run for row in self.rows for run in row.runs)
        verdicts = {}
        for row in table.to_dict("records"):
            what = (row["variable"], _level(row["level"]), row["metric"])
            one, other, verdict = row["method"], row["against"], row["verdict"]
            verdicts[one, other, *what] = verdict
            verdicts[other, one, *what] = OPPOSITE.get(verdict, verdict)
        return verdicts


def _arrow(ratio: float, verdict: str) -> str:
    if verdict in OPPOSITE:
        direction = "up" if verdict == "better" else "down"
        return direction if LARGE < ratio < 1 / LARGE else f"{direction} large"
    return "" if verdict in ("", "same") else "open"


def _words(ratio: float, verdict: str, region: str) -> str:
    if region != GLOBAL:
        return number(ratio, 2)
    return f"{number(ratio, 2)}, {TOLD.get(verdict, 'too few independent cycles or seeds to tell')}"


def _level(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
