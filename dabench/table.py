"""Results on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dabench.headlines import REFERENCE, Cell, headlines, in_order, label, number, units, values_of

Scores = Mapping[str, Any]


def results(runs: Iterable[Scores]) -> RenderableType:
    """Skill and cost of the methods of each scenario, system and seed, for a rich console."""
    boards: dict[tuple, list[Scores]] = {}
    for scores in runs:
        key = scores["scenario"]["name"], scores["system"]["name"], scores["seed"]
        boards.setdefault(key, []).append(scores)
    parts: list[RenderableType] = []
    for board in boards.values():
        parts += [_skill(board), _cost(board)]
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


def _methods(board: Sequence[Scores]) -> dict[str, Scores]:
    by_name = {scores["method"]: scores for scores in board}
    return {name: by_name[name] for name in in_order(by_name)}


def _skill(board: Sequence[Scores]) -> Table:
    methods, first = _methods(board), board[0]
    scored = max(0, max(s["completed"] for s in board) - first["spinup"])
    table = _table(
        f"{first['scenario']['name']} · {first['system']['name']} · seed {first['seed']}",
        f"global, {scored} cycles after a spin-up of {first['spinup']}; "
        f"ratio: RMSE over the one of {REFERENCE}",
    )
    table.add_column("", no_wrap=True)
    table.add_column("method", no_wrap=True)
    for column in ("RMSE", "ratio", "spread", "spread/skill", "CRPS"):
        table.add_column(column, justify="right", no_wrap=True)
    for cell in headlines(first["variables"]):
        table.add_section()
        for row in _cell_rows(cell, methods):
            table.add_row(*row)
    return table


def _cell_rows(cell: Cell, methods: Mapping[str, Scores]) -> list[list[RenderableType]]:
    values = {name: values_of(scores) for name, scores in methods.items()}
    rmse = {name: _value(v, cell, "rmse") for name, v in values.items()}
    best, reference = min(filter(None, rmse.values()), default=None), rmse.get(REFERENCE)
    first = next(iter(methods.values()))
    unit = units(first["variables"].get(cell[0], {}).get("units", ""))
    heads = [label(*cell), Text(unit, "dim"), *[""] * len(methods)]
    rows: list[list[RenderableType]] = []
    for head, (name, scores) in zip(heads, methods.items(), strict=False):
        error = rmse[name]
        if error is None:
            rows.append([head, name, *_why(scores), "", "", ""])
            continue
        ratio = error / reference if reference else None
        others = (_value(values[name], cell, m) for m in ("spread", "spread_skill", "crps"))
        shown = [number(error), number(ratio), *map(number, others)]
        rows.append([head, name, *(Text(t, "bold" if error == best else "") for t in shown)])
    return rows


def _why(scores: Scores) -> list[Text]:
    """What stands in place of a value and its ratio."""
    if scores["status"].startswith("diverged"):
        return [Text("diverged", "red"), Text(scores["status"].removeprefix("diverged "), "red")]
    return [Text("–", "dim"), Text("–", "dim")]


def _value(values: Mapping[tuple, Mapping[str, Any]], cell: Cell, metric: str) -> float | None:
    return values.get((*cell, metric), {}).get("value")


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


def _cost(board: Sequence[Scores]) -> Table:
    table = _table("weights and cost", "evaluations: of the denoiser, a member and cycle")
    table.add_column("method", no_wrap=True)
    columns = ("members", "N_eff", "ancestors", "alpha", "evaluations", "s/cycle")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for name, scores in _methods(board).items():
        inner = {k: scores["ensemble"].get(k, {}) for k in ("ess", "unique_ancestors", "alpha")}
        cost = scores["cost"]
        cycles = max(1, scores["completed"])
        evaluations = cost.get("evaluations")
        table.add_row(
            name,
            str(scores["members"]),
            *(number(d.get("mean"), 2) for d in inner.values()),
            number(evaluations / cycles if evaluations else None),
            number(cost.get("wall_seconds_a_cycle"), 2),
        )
    return table
