"""Smoothers beside their filters: what it is worth to look ahead."""

from typing import NamedTuple

from dabench.leaderboard.board import Board
from dabench.leaderboard.format import number
from dabench.leaderboard.labels import parsed
from dabench.leaderboard.row import Row, Value, shade
from dabench.leaderboard.sizes import mean_ratio


class Smoothed(NamedTuple):
    """A smoother and its filter.

    Arguments:
        lag: Cycles that its estimates lie behind the newest observations.
        values: For each kind of fields, mean RMSE over the free ensemble's of the filter and of the
            smoother, then mean RMSE and CRPS of the smoother over the filter's.
    """

    row: Row
    own: Row
    lag: int
    values: list[tuple[Value, ...]]


def smoothed(board: Board) -> list[Smoothed]:
    """The smoothers of a board that stand beside their filters, in the order of the filters."""
    places = {row.method: place for place, row in enumerate(board.rows)}
    pairs = [(parsed(row.method), row) for row in board.beside]
    smoothers = [(places[label.own], label.lag, row) for label, row in pairs if label.lag]
    return [
        _smoothed(board, row, board.rows[place], lag)
        for place, lag, row in sorted(smoothers, key=lambda entry: entry[:2])
    ]


def _smoothed(board: Board, row: Row, own: Row, lag: int) -> Smoothed:
    values = [
        (
            board.mean_ratio(own, kind),
            board.mean_ratio(row, kind),
            _gain(row, own, cells, "rmse"),
            _gain(row, own, cells, "crps"),
        )
        for kind, cells in board.kinds.items()
    ]
    return Smoothed(row, own, lag, values)


def _gain(row: Row, own: Row, cells: list, metric: str) -> Value:
    ratio = mean_ratio(row.runs, own.runs, cells, metric)
    return Value(number(ratio, 2), ratio, tint=shade(ratio))
