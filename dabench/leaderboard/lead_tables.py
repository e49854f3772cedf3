"""Forecasts from analyses as a board's page shows them: means over fields, and single fields."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dabench.leaderboard.board import Board
from dabench.leaderboard.format import number, title, units
from dabench.leaderboard.leads import METRICS, mean_by_lead, median, of_runs, shown_leads
from dabench.leaderboard.row import Row, Value, shade
from dabench.scores.forecasts import Forecast
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.record import Cell, Series


class Line(NamedTuple):
    """Scores of the forecasts from one method's analyses.

    Arguments:
        about: What is scored, in words, before the method's name.
        values: A value for each lead.
    """

    row: Row
    about: list[str]
    values: list[Value]


class LeadTables(NamedTuple):
    """The forecasts of a board.

    Arguments:
        about: How many there are and what their leads are counted in, in a sentence.
        command: The command that made them.
        leads: Leads as heads of columns.
        means: RMSE over that of the free ensemble's forecasts, by kind of fields.
        fields: Scores of the fields that stand for the state.
    """

    about: str
    command: str
    leads: list[str]
    means: list[Line]
    fields: list[Line]


def lead_tables(board: Board) -> LeadTables | None:
    """The forecasts from the analyses of a board; None without any."""
    runs = [run for row in board.rows for run in row.runs]
    forecasts = of_runs(runs)
    if not forecasts:
        return None
    first = next(iter(forecasts.values()))[0]
    columns = shown_leads(first)
    every = next(run.forecasts["every"] for run in runs if run.forecasts)
    starts, steps = len(first.starts), len(first.leads) - 1
    return LeadTables(
        f"{starts} {'start' if starts == 1 else 'starts'} a seed; leads in {first.unit}.",
        f"dabench forecast RUN --lead {steps} --every {every}",
        [f"{first.leads[i]:g}" for i in columns],
        list(_means(board, forecasts, columns)),
        [
            line
            for cell in board.cells
            for metric in METRICS
            for line in _of_field(board, forecasts, cell, metric, columns)
        ],
    )


def _means(
    board: Board, forecasts: Mapping[str, Sequence[Forecast]], columns: np.ndarray
) -> Iterator[Line]:
    for kind, cells in board.kinds.items():
        means = mean_by_lead(forecasts, cells, "rmse")
        for row in board.rows:
            if row.method in means:
                yield Line(row, [kind], [_ratio(v) for v in means[row.method][columns]])


def _of_field(
    board: Board,
    forecasts: Mapping[str, Sequence[Forecast]],
    cell: Cell,
    metric: str,
    columns: np.ndarray,
) -> Iterator[Line]:
    unit = units(board.first.units(cell[0]))
    about = [title(*cell), f"{BY_NAME[metric].title} {unit}".rstrip()]
    for row in board.rows:
        if row.method in forecasts:
            scores: Series = median(forecasts[row.method], cell, metric)[columns]
            if np.isfinite(scores).any():
                yield Line(row, about, [_score(v) for v in scores])


def _ratio(value: float) -> Value:
    ratio = float(value) if np.isfinite(value) else None
    return Value(number(ratio), ratio, tint=shade(ratio))


def _score(value: float) -> Value:
    score = float(value) if np.isfinite(value) else None
    return Value(number(score), score)
