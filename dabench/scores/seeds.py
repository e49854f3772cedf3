"""Several seeds of one method: which, and what they say together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MOST = 1000


class Spread(NamedTuple):
    """A number over seeds. A seed without one (it diverged) counts as larger than any.

    Arguments:
        median: None if half of the seeds or more have none.
        low, high: The range; None where a seed has none.
        missing, seeds: How many have none, of how many.
    """

    median: float | None
    low: float | None
    high: float | None
    missing: int
    seeds: int


def over_seeds(values: Iterable[float | None]) -> Spread:
    """Median and range; what diverged is never averaged away."""
    found = sorted(float("inf") if v is None else v for v in values)
    n = len(found)
    if not n:
        return Spread(None, None, None, 0, 0)
    middle = 0.5 * (found[(n - 1) // 2] + found[n // 2])
    median, low, high = (None if v == float("inf") else v for v in (middle, found[0], found[-1]))
    return Spread(median, low, high, sum(v == float("inf") for v in found), n)


def in_common(*methods: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Of the runs of each method, those of seeds that every method has: what may be paired."""
    shared = set.intersection(*({run["seed"] for run in runs} for runs in methods))
    return [[run for run in runs if run["seed"] in shared] for runs in methods]
