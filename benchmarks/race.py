"""Candidates timed against each other: in turn, in one process, so that all meet the same load."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import jax

ROUNDS = 5

Run = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One candidate of one comparison.

    Arguments:
        seconds: Median over the rounds.
        ratio: Median over the rounds of the reference's time over this one's, so that above 1 is
            faster than the reference (the first candidate); low and high: the range.
        notes: Further figures by name: bytes, errors.
    """

    comparison: str
    candidate: str
    seconds: float
    ratio: float
    low: float
    high: float
    rounds: int
    notes: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def race(
    comparison: str,
    candidates: Mapping[str, Run],
    rounds: int = ROUNDS,
    notes: Mapping[str, Mapping[str, Any]] | None = None,
    calls: int = 1,
) -> list[Row]:
    """Time every candidate once a round, after one round that does not count.

    Arguments:
        candidates: The first is the reference.
        notes: Of each candidate.
        calls: How often to call a candidate in each round, where one call is too short to time.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, run in candidates.items():
            begin = time.perf_counter()
            for _ in range(calls):
                jax.block_until_ready(run())
            if number:
                times[name].append((time.perf_counter() - begin) / calls)
    return rows(comparison, times, notes or {})


def rows(
    comparison: str, times: Mapping[str, list[float]], notes: Mapping[str, Mapping[str, Any]]
) -> list[Row]:
    """The table of measured seconds, round by round; the first candidate is the reference."""
    reference = next(iter(times.values()))
    found = []
    for name, seconds in times.items():
        ratios = [a / b for a, b in zip(reference, seconds, strict=True)]
        row = Row(
            comparison,
            name,
            median(seconds),
            median(ratios),
            min(ratios),
            max(ratios),
            len(seconds),
            dict(notes.get(name, {})),
        )
        found.append(row)
    return found


def temporary_bytes(f: Callable[..., Any], *arguments: Any) -> tuple[Callable[..., Any], int]:
    """f compiled for these arguments, and the bytes that the compiler gives it for its own use."""
    compiled = jax.jit(f).lower(*arguments).compile()
    return compiled, int(getattr(compiled.memory_analysis(), "temp_size_in_bytes", 0))
