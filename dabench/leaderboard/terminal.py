"""Results on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dabench.leaderboard.format import label, number, units
from dabench.scores.headlines import REFERENCE, headlines, in_order
from dabench.scores.record import Cell, Scores
from dabench.scores.seeds import Spread, over_seeds

Board = Mapping[str, list[Scores]]
"""The runs of each method, one a seed."""


def results(runs: Iterable[Scores]) -> RenderableType:
    """Skill and cost of the methods of each scenario and system, for a rich console."""
    boards: dict[tuple, dict[str, list[Scores]]] = {}
    for run in runs:
        methods = boards.setdefault((run.problem.scenario, run.problem.system), {})
        methods.setdefault(run.method, []).append(run)
    parts: list[RenderableType] = []
    for board in boards.values():
        ordered = {name: board[name] for name in in_order(board)}
        parts += [_skill(ordered), _cost(ordered)]
    return Group(*parts)


def _table(title: str, caption: str = "") -> Table:
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        title_style="bold",
        pad_edge=False,
    )


def _skill(board: Board) -> Table:
    first = next(iter(board.values()))[0]
    scored = max(0, max(s.completed for runs in board.values() for s in runs) - first.spinup)
    seeds = sorted({s.seed for runs in board.values() for s in runs})
    several = len(seeds) > 1
    table = _table(
        f"{first.problem.scenario} · {first.problem.system} · "
        f"seed{'s' * several} {', '.join(map(str, seeds))}",
        f"global, {scored} cycles after a spin-up of {first.spinup}; "
        f"ratio: RMSE over the one of {REFERENCE}" + "; medians over seeds" * several,
    )
    table.add_column("", no_wrap=True)
    table.add_column("method", no_wrap=True)
    columns = ("RMSE", *["range"] * several, "ratio", "spread", "spread/skill", "CRPS")
    for column in (*columns, *["diverged"] * several):
        table.add_column(column, justify="right", no_wrap=True)
    for cell in headlines(first.variables):
        table.add_section()
        for row in _cell_rows(cell, board, several):
            table.add_row(*row)
    return table


def _cell_rows(cell: Cell, board: Board, several: bool) -> list[list[RenderableType]]:
    rmse = {name: _over(runs, cell, "rmse") for name, runs in board.items()}
    medians = {name: found.median for name, found in rmse.items()}
    best, reference = min(filter(None, medians.values()), default=None), medians.get(REFERENCE)
    unit = units(next(iter(board.values()))[0].units(cell[0]))
    heads = [label(*cell), Text(unit, "dim"), *[""] * len(board)]
    rows: list[list[RenderableType]] = []
    for head, (name, runs) in zip(heads, board.items(), strict=False):
        error, found = medians[name], rmse[name]
        lost = f"{found.missing}/{found.seeds}" if found.missing else "–"
        ends: list[RenderableType] = [_range(found)] if several else []
        diverged: list[RenderableType] = [Text(lost, "red" * bool(found.missing))] * several
        if error is None:
            why = _why(runs[0]) if not several else [Text("diverged", "red"), *ends, Text("–")]
            rows.append([head, name, *why, "", "", "", *diverged])
            continue
        ratio = error / reference if reference else None
        others = (_over(runs, cell, m).median for m in ("spread", "spread_skill", "crps"))
        style = "bold" if error == best else ""
        shown = [Text(number(v), style) for v in (error, ratio, *others)]
        rows.append([head, name, shown[0], *ends, *shown[1:], *diverged])
    return rows


def _range(found: Spread) -> str:
    return f"{number(found.low)}..{'diverged' if found.missing else number(found.high)}"


def _over(seeds: Sequence[Scores], cell: Cell, metric: str) -> Spread:
    return over_seeds(run.value(cell, metric) for run in seeds)


def _why(run: Scores) -> list[Text]:
    """What stands in place of a value and its ratio."""
    if run.status.diverged:
        return [Text("diverged", "red"), Text(run.status.when, "red")]
    return [Text("–", "dim"), Text("–", "dim")]


def comparison(table: pd.DataFrame, reference: str = REFERENCE) -> RenderableType:
    """What `compare.compare_all` found, for a rich console."""
    parts = []
    for _, part in table.groupby(["scenario", "system"], sort=False):
        names = part[["scenario", "system"]].iloc[0]
        parts.append(_compared(" · ".join(names), part, reference))
    return Group(*parts)


def _compared(title: str, table: pd.DataFrame, reference: str) -> Table:
    seeds = max(table["seeds"])
    shown = _table(
        f"{title}, against {reference}",
        f"{'1 seed' if seeds == 1 else f'{seeds} seeds'}; differences of paired cycles with 95 % "
        "intervals; p by Sidak and by Benjamini-Hochberg allows for all rows; "
        "null: the difference of two seeds of one method; insufficient data: fewer than 15 "
        "independent cycles in effect, or two seeds",
    )
    shown.padding = (0, 1, 0, 0)
    shown.add_column("method", no_wrap=True)
    shown.add_column("", no_wrap=True)
    for column in ("value", "diff.", "95 %", "Sidak", "BH"):
        shown.add_column(column, justify="right", no_wrap=True)
    with_null = bool(table["null"].notna().any())
    if with_null:
        shown.add_column("null", justify="right", no_wrap=True)
    shown.add_column("verdict", no_wrap=True)
    regions = len({*table["region"]}) > 1
    for method, part in table.groupby("method", sort=False):
        shown.add_section()
        for i, row in enumerate(part.to_dict("records")):
            what = f"{label(row['variable'], _known(row['level']))} {row['metric']}"
            what += f" {row['region']}" * regions
            numbers = [number(_known(row[k])) for k in ("a", "difference")]
            chances = [_chance(_known(row[k])) for k in ("p_sidak", "p_bh")]
            null = [_ends(row, "null_")] if with_null else []
            head = "" if i else str(method)
            shown.add_row(
                head, what, *numbers, _ends(row), *chances, *null, _verdict(row["verdict"])
            )
    return shown


def _ends(row: Mapping[str, Any], kind: str = "") -> str:
    ends = [_known(row[kind + k]) for k in ("low", "high")]
    return "" if None in ends else "..".join(number(end, 2) for end in ends)


def _chance(p: float | None) -> str:
    return number(p) if p is None else "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def _known(value: float) -> float | None:
    return float(value) if pd.notna(value) else None


def _verdict(text: str) -> Text:
    styles = {"better": "green", "worse": "red", "insufficient data": "dim"}
    return Text(text, styles.get(text, "red" if "diverged" in text else ""))


def _cost(board: Board) -> Table:
    table = _table("weights and cost", "evaluations: of the denoiser, a member and cycle")
    table.add_column("method", no_wrap=True)
    columns = ("members", "N_eff", "ancestors", "alpha", "evaluations", "s/cycle")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for name, runs in board.items():
        inner = [
            _median(run.mean_of(k) for run in runs) for k in ("ess", "unique_ancestors", "alpha")
        ]
        table.add_row(
            name,
            str(runs[0].members),
            *(number(value, 2) for value in inner),
            number(_median(run.evaluations_a_cycle for run in runs)),
            number(_median(run.cost.get("wall_seconds_a_cycle") for run in runs), 2),
        )
    return table


def _median(values: Iterable[float | None]) -> float | None:
    return over_seeds(v for v in values if v is not None).median
