"""How far a run has come: a type, and the text that archives and result files hold."""

import re
from dataclasses import dataclass
from typing import Literal

DIVERGED = re.compile(r"diverged at cycle (?P<cycle>\d+)")


@dataclass(frozen=True)
class Status:
    """The state of a run.

    Arguments:
        kind: `running` until the last cycle is archived, then `complete`; `diverged` where the
            ensemble stopped being finite.
        cycle: The cycle at which it diverged, else None.
    """

    kind: Literal["running", "complete", "diverged"]
    cycle: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Status":
        """The status that a text stands for; the inverse of `str`. ValueError for other texts."""
        if text == "running":
            return RUNNING
        if text == "complete":
            return COMPLETE
        if match := DIVERGED.fullmatch(text):
            return diverged_at(int(match["cycle"]))
        raise ValueError(f"{text!r} is no status of a run")

    def __str__(self) -> str:
        return self.kind if self.cycle is None else f"{self.kind} {self.when}"

    @property
    def when(self) -> str:
        """`at cycle 7` of a run that diverged, nothing of another."""
        return "" if self.cycle is None else f"at cycle {self.cycle}"

    @property
    def running(self) -> bool:
        """Whether cycles are still to be run."""
        return self.kind == "running"

    @property
    def complete(self) -> bool:
        """Whether all cycles were run."""
        return self.kind == "complete"

    @property
    def diverged(self) -> bool:
        """Whether the ensemble stopped being finite."""
        return self.kind == "diverged"


RUNNING, COMPLETE = Status("running"), Status("complete")


def diverged_at(cycle: int) -> Status:
    """The status of a run whose ensemble is not finite after a cycle."""
    return Status("diverged", cycle)
