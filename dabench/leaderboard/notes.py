"""What an expert would ask about a row, found by rules in its diagnostics and scores."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from dabench.leaderboard.board import Board
from dabench.leaderboard.format import label, number, raised, units
from dabench.leaderboard.row import Row
from dabench.leaderboard.stale import tuning_of
from dabench.leaderboard.standing import listed
from dabench.scores.observed import OTHERS
from dabench.scores.record import Cell

IDLE, COLLAPSED = 0.9, 0.05
"""Effective share of the members above which weights hardly select, and below which few remain."""
BIASED = 1 / 3
"""Share of the mean squared error that is the square of the bias, from which on it is told."""
NARROW, WIDE = 0.5, 2.0
"""Ratios of spread to skill outside of which an ensemble is called too narrow or too wide."""
TEMPERED = 0.01
"""Mean tempering exponent below which the weights hardly see the observations."""

Rule = Callable[[Board, Row], Iterator[str]]


def notes(board: Board) -> dict[Row, list[str]]:
    """Remarks on each row that there are any on; references are there to be beaten."""
    rows = [row for row in board.rows if not row.reference and not row.status]
    remarks = {row: [text for rule in RULES for text in rule(board, row)] for row in rows}
    return {row: texts for row, texts in remarks.items() if texts}


def cautions(board: Board) -> list[str]:
    """What the order of the methods may be due to, other than the methods."""
    rows = [row for row in board.rows if not (row.reference or row.exact or row.status)]
    names = [row.name for row in rows if tuning_of(row.first) is None]
    if not names or len(rows) < 2:
        return []
    if len(names) == len(rows):
        text = "No method's settings were searched on this board: each row says where its own come "
        return [f"{text}from, and others may change the order."]
    return [f"Not searched on this board: the settings of {listed(names)}."]


def _weights(_: Board, row: Row) -> Iterator[str]:
    """Weights that do nothing, and weights that leave few members."""
    ess, members = row.diagnostic("ess").sort, row.first.members
    if ess is None or members == 1:
        return
    text = f"the effective sample size is {number(ess)} of {members} on average"
    if ess > IDLE * members:
        yield f"The weights hardly select: {text}."
    elif ess < max(COLLAPSED * members, 2.0):
        yield f"The weights degenerate: {text}."
    alpha = row.diagnostic("alpha").sort
    if alpha and alpha < TEMPERED:
        power = raised(round(np.log10(alpha)))
        yield (
            "To keep the effective sample size up, the likelihood is raised to a power of about "
            f"10{power}."
        )


def _bias(board: Board, row: Row) -> Iterator[str]:
    """Fields whose error is for a large part the same everywhere."""
    shares = {cell: _bias_share(row, cell) for cell in board.all_cells}
    biased = sorted((c for c in shares if shares[c] > BIASED), key=lambda c: -shares[c])
    if biased:
        worst = biased[0]
        bias, rmse = (row.over(worst, metric).median for metric in ("bias", "rmse"))
        unit = units(board.first.units(worst[0]))
        yield (
            f"Bias is {number(100 * shares[worst], 2)} % of the mean squared error of "
            f"{label(*worst)} (bias {number(bias)}, RMSE {number(rmse)} {unit}".rstrip()
            + f"){_others(len(biased) - 1)}."
        )


def _bias_share(row: Row, cell: Cell) -> float:
    bias, rmse = (row.over(cell, metric).median for metric in ("bias", "rmse"))
    return min(1.0, (bias / rmse) ** 2) if bias is not None and rmse else 0.0


def _others(count: int) -> str:
    fields = "another field" if count == 1 else f"{count} other fields"
    return f", and a third or more in {fields}" if count else ""


def _spread(board: Board, row: Row) -> Iterator[str]:
    """Ensembles that are much narrower or wider than their error, by kind of fields."""
    if row.first.members == 1:
        yield "One member has no spread."
        return
    for kind, cells in board.kinds.items():
        medians = {cell: row.over(cell, "spread_skill").median for cell in cells}
        ratios = {cell: ratio for cell, ratio in medians.items() if ratio is not None}
        narrow = {cell: ratio for cell, ratio in ratios.items() if ratio < NARROW}
        wide = {cell: ratio for cell, ratio in ratios.items() if ratio > WIDE}
        for word, odd in (("narrow", narrow), ("wide", wide)):
            if odd:
                yield _too(word, kind, odd, len(ratios))


def _too(word: str, kind: str, odd: Mapping[Cell, float], count: int) -> str:
    choose = min if word == "narrow" else max
    worst = choose(odd, key=lambda cell: odd[cell])
    fields = f"{len(odd)} of {count} fields that are {kind}"
    return (
        f"The ensemble is too {word} in {fields}: spread over skill is {number(odd[worst], 2)} "
        f"in {label(*worst)}."
    )


def _objective(board: Board, row: Row) -> Iterator[str]:
    """Settings searched for another aim than the board ranks by."""
    tuning = tuning_of(row.first)
    if tuning and "all variables" in tuning.metric and len(board.kinds) > 1:
        others = len(board.kinds[OTHERS])
        yield (
            f"Tuned for the mean over all fields ({tuning.metric}), {others} of "
            f"{len(board.all_cells)} not observed: other settings may do better on either kind."
        )


RULES: tuple[Rule, ...] = (_weights, _bias, _spread, _objective)
