"""Several seeds of one method: which of them, and what they say together."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dabench.scores.record import Scores


class Spread(NamedTuple):
    """A number over seeds. A seed without one (it diverged) counts as larger than any.

    Arguments:
        median: None if half of the seeds or more have none.
        low, high: The range; None where a seed has none.
        missing, seeds: Number of seeds that have none, and of all.
    """

    median: float | None
    low: float | None
    high: float | None
    missing: int
    seeds: int


def over_seeds(values: Iterable[float | None]) -> Spread:
    """Median and range; a seed that diverged is never averaged away."""
    numbers = sorted(float("inf") if v is None else v for v in values)
    n = len(numbers)
    if not n:
        return Spread(None, None, None, 0, 0)
    middle = 0.5 * (numbers[(n - 1) // 2] + numbers[n // 2])
    missing = numbers.count(float("inf"))
    return Spread(_finite(middle), _finite(numbers[0]), _finite(numbers[-1]), missing, n)


def _finite(value: float) -> float | None:
    return None if value == float("inf") else value


def truths(runs: "Iterable[Scores]") -> list[str]:
    """The truths of runs, each once, in the order of the runs."""
    return list(dict.fromkeys(run.truth for run in runs))


def truths_in_words(runs: "Sequence[Scores]") -> str:
    """How the seeds of runs share truths; empty where each has its own."""
    return shared_in_words(len(truths(runs)), len({run.seed for run in runs}))


def shared_in_words(different: int, seeds: int) -> str:
    """How so many seeds share truths; empty where each has its own.

    Arguments:
        different: Number of different truths.
    """
    if different >= seeds:
        return ""
    if different == 1:
        return "one truth, which differ in noise and not in weather"
    return f"{different} truths, which are the independent clusters"


def in_common(*methods: "Sequence[Scores]") -> "list[list[Scores]]":
    """The runs of each method whose seeds every method has, which may be paired."""
    shared = set.intersection(*({run.seed for run in runs} for runs in methods))
    return [[run for run in runs if run.seed in shared] for runs in methods]
