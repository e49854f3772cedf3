"""Which methods of a board can be told apart from the best one, field by field."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from dabench.core.errors import Caution
from dabench.scores.compare import INSUFFICIENT, compare_all
from dabench.scores.headlines import headlines
from dabench.scores.record import GLOBAL, Cell, Scores
from dabench.scores.seeds import over_seeds

Board = Mapping[str, Sequence[Scores]]
"""The runs of each method of one problem, one for each seed."""

BEST, TIE, UNDECIDED = "best", "tie", "?"


def marks(board: Board, region: str = GLOBAL) -> dict[tuple[str, Cell], str]:
    """`BEST`, `TIE` or `UNDECIDED` by method and field; no entry for what is worse than the best.

    Methods are held to the one with the smallest median RMSE by pairs of cycles, or of truths where
    there are several seeds; p-values allow for all methods and fields.
    """
    if len(board) < 2:
        return {}
    best = {cell: _best(board, cell, region) for cell in _cells(board)}
    marks = {(method, cell): BEST for cell, method in best.items() if method is not None}
    for reference in filter(None, dict.fromkeys(best.values())):
        for (method, cell), verdict in _verdicts(board, reference, region).items():
            if best.get(cell) == reference and verdict != "worse" and "diverged" not in verdict:
                marks[method, cell] = UNDECIDED if verdict == INSUFFICIENT else TIE
    return marks


def _cells(board: Board) -> list[Cell]:
    return [cell for runs in list(board.values())[:1] for cell in headlines(runs[0].variables)]


def _best(board: Board, cell: Cell, region: str) -> str | None:
    medians = {
        method: over_seeds(run.value(cell, "rmse", region) for run in runs).median
        for method, runs in board.items()
    }
    numbers = {method: rmse for method, rmse in medians.items() if rmse is not None}
    return min(numbers, key=lambda method: numbers[method]) if numbers else None


def _verdicts(board: Board, reference: str, region: str) -> dict[tuple[str, Cell], str]:
    """The verdict on every other method that has a seed in common with one of them."""
    runs = [run for runs in board.values() for run in runs if _is_paired(run, board[reference])]
    if {run.method for run in runs} == {reference}:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Caution)
        table = compare_all(runs, reference=reference, metrics=("rmse",), regions=(region,))
    levels = [None if np.isnan(level) else level for level in table["level"].astype(float)]
    cells = zip(table["variable"], levels, strict=True)
    return dict(zip(zip(table["method"], cells, strict=True), table["verdict"], strict=True))


def _is_paired(run: Scores, reference: Sequence[Scores]) -> bool:
    return any(run.problem == other.problem and run.seed == other.seed for other in reference)
