"""Availability: the cycles in which the stations of a group report."""

from typing import Annotated

from pydantic import Field

from dabench.scenario.locations import Count, Seed
from dabench.scenario.validate import Strict


class Availability(Strict):
    """The cycles in which stations report; a station reports all of its observations or none.

    Arguments:
        every: Cycles from one report to the next.
        first: Cycle of the first report.
        share: Chance of each station to report when it is due.
        seed: Seed of these chances; not that of the experiment.
    """

    every: Count = 1
    first: Count = 1
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Seed = 0

    @property
    def always(self) -> bool:
        """Whether all stations report in every cycle."""
        return self == Availability(seed=self.seed)
