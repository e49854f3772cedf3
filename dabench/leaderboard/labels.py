"""The labels of rows beside a method's own: other ensemble sizes, and smoothers.

`letkf-n40` is the LETKF with 40 members, `letkf-lag4` the smoother that looks 4 cycles ahead.
"""

import re
from collections.abc import Container, Sequence
from typing import NamedTuple

from dabench.scores.record import Scores

PATTERN = re.compile(r"(?P<own>.+?)(?:-n(?P<members>[1-9]\d*))?(?:-lag(?P<lag>[1-9]\d*))?")


class Label(NamedTuple):
    """What the label of a row says.

    Arguments:
        own: Label of the method's own row.
        members: Ensemble size, if it is not the method's own.
        lag: Cycles that estimates lie behind the newest observations; 0 for a filter.
    """

    own: str
    members: int | None = None
    lag: int = 0

    @property
    def words(self) -> list[str]:
        """What sets the row apart from the method's own."""
        cycles = "cycle" if self.lag == 1 else "cycles"
        size = f"{self.members} members" if self.members else ""
        smoothed = f"smoothed over {self.lag} {cycles}" if self.lag else ""
        return [text for text in (size, smoothed) if text]


def parsed(method: str) -> Label:
    """A label in its parts."""
    match = PATTERN.fullmatch(method)
    if match is None:
        return Label(method)
    members, lag = match["members"], match["lag"]
    return Label(match["own"], int(members) if members else None, int(lag or 0))


def is_beside(method: str, methods: Container[str]) -> bool:
    """Whether a label is of a row beside that of a method which is there, too."""
    own = parsed(method).own
    return own != method and own in methods


def own(runs: Sequence[Scores]) -> list[Scores]:
    """The runs of methods' own rows."""
    methods = {run.method for run in runs}
    return [run for run in runs if not is_beside(run.method, methods)]
