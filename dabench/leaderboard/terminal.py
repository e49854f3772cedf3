"""Tables for a terminal: skill and cost of the methods of a board, and comparisons of methods."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, NamedTuple

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dabench.leaderboard import ties
from dabench.leaderboard.cost_and_skill import geometric_mean
from dabench.leaderboard.format import label, number, units
from dabench.leaderboard.methods import display_name, in_order
from dabench.scores.headlines import REFERENCE, headlines
from dabench.scores.observed import OBSERVED, held_to, kinds_of_fields
from dabench.scores.record import GLOBAL, UNOBSERVED, Cell, Scores, sharing_fields
from dabench.scores.seeds import (
    Spread,
    in_common,
    over_seeds,
    shared_in_words,
    truths_in_words,
)

Runs = Mapping[str, Sequence[Scores]]
"""The runs of each method of a board, one for each seed."""

NO_VALUE = "–"
SEVERAL_SEEDS = ("range", "diverged")
"""Columns that only several seeds have."""
SKILL_COLUMNS = ("RMSE", "off", "range", "ratio", "spread", "spread/skill", "CRPS", "diverged")
COST_COLUMNS = ("members", "N_eff", "ancestors", "alpha", "evaluations", "s/cycle")

VERDICT_STYLES = {"better": "green", "worse": "red", "insufficient data": "dim"}
NOTES = (
    "differences of paired cycles with 95 % intervals; p by Sidak and by Benjamini-Hochberg allows "
    "for all rows; null: the difference of two seeds of one method. Tests allow for the memory "
    "of scores; where fewer than 15 independent cycles do not tell it, a verdict must hold with a "
    "memory of ten cycles. Insufficient data: it does not, or there are two seeds"
)


def results(runs: Iterable[Scores], region: str = GLOBAL) -> RenderableType:
    """Skill in a region, and cost, of the methods of each scenario and system."""
    tables: list[RenderableType] = []
    for board in boards(runs):
        tables += [_skill_table(board, region), _cost_table(board)]
    return Group(*tables)


def boards(runs: Iterable[Scores]) -> Iterator[dict[str, list[Scores]]]:
    """The runs of each method, a scenario and system at a time, with the fields that all have."""
    groups: dict[tuple, list[Scores]] = {}
    for scores in runs:
        groups.setdefault((scores.problem.scenario, scores.problem.system), []).append(scores)
    for group in map(sharing_fields, groups.values()):
        methods = in_order({scores.method for scores in group})
        yield {name: [s for s in group if s.method == name] for name in methods}


def _empty_table(title: str, caption: str) -> Table:
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        title_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _skill_table(board: Runs, region: str) -> Table:
    every_run = [scores for runs in board.values() for scores in runs]
    first = every_run[0]
    seeds = sorted({scores.seed for scores in every_run})
    scored = max(0, max(scores.completed for scores in every_run) - first.spinup)
    caption = f"{region}, {scored} cycles after a spin-up of {first.spinup}; best first"
    if by := held_to(first):
        caption = f"{caption}; {by}"
    if len(board) > 1:
        caption += "; tie: not told apart from the best; ?: too few data to tell"
    if REFERENCE in board:
        caption += (
            f"; ratio: RMSE over that of the {display_name(REFERENCE).lower()}, which sees no "
            "observation: below 1, observations helped"
        )
    if len(seeds) > 1:
        caption += _and("; medians over seeds", truths_in_words(every_run))
    columns = [c for c in SKILL_COLUMNS if len(seeds) > 1 or c not in SEVERAL_SEEDS]
    cells = headlines(first.variables)
    partly = any(_is_partly_observed(run, cell) for run in every_run for cell in cells)
    if partly and region == GLOBAL:  # the scores off the observations are of the globe
        caption += "; off: RMSE where no observation of the variable is"
    else:
        columns.remove("off")
    table = _empty_table(f"{_name_of(first)} · {_seeds(seeds)}", caption)
    table.add_column("", no_wrap=True)
    table.add_column("method", overflow="fold")  # its names are wrapped before a number is cut
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    against_best = ties.marks(board, region)
    for cell in cells:
        skills = {method: _skill_of(runs, cell, region) for method, runs in board.items()}
        marks = {method: against_best.get((method, cell), "") for method in board}
        _add_cell(table, cell, board, skills, columns, marks)
    if first.on_sphere and REFERENCE in board:
        for kind, fields in kinds_of_fields(first).items():
            _add_mean(table, kind, fields, board, columns, region)
    return table


def _is_partly_observed(run: Scores, cell: Cell) -> bool:
    """Whether some points of a field are observed, and others are not."""
    observed = cell in kinds_of_fields(run).get(OBSERVED, ())
    return observed and run.value(cell, "rmse", UNOBSERVED) is not None


def _add_mean(
    table: Table,
    kind: str,
    cells: Sequence[Cell],
    board: Runs,
    columns: Sequence[str],
    region: str,
) -> None:
    """A section with the geometric mean of the ratios of one kind of fields."""
    table.add_section()
    heads = [Text(kind), Text(f"{len(cells)} field{'s' if len(cells) > 1 else ''}", "dim")]
    heads += [Text("")] * (len(board) - len(heads))
    for head, (method, runs) in zip(heads, board.items(), strict=False):
        ratios = [_ratio(runs, board[REFERENCE], cell, region) for cell in cells]
        mean = number(geometric_mean(ratios))
        texts = [Text(mean if column == "ratio" else "") for column in columns]
        table.add_row(head, display_name(method), *texts)


def _ratio(
    runs: Sequence[Scores], reference: Sequence[Scores], cell: Cell, region: str
) -> float | None:
    """RMSE over the reference's, medians over the seeds that both have."""
    medians = [
        over_seeds(run.value(cell, "rmse", region) for run in own).median
        for own in in_common(runs, reference)
    ]
    ours, theirs = medians
    return ours / theirs if ours is not None and theirs else None


def _name_of(scores: Scores) -> str:
    return f"{scores.problem.scenario} · {scores.problem.system}"


def _and(text: str, shared: str) -> str:
    """A text about seeds, and how they share truths."""
    return f"{text} of {shared}" if shared else text


def _seeds(seeds: Sequence[int]) -> str:
    word = "seed" if len(seeds) == 1 else "seeds"
    return f"{word} {', '.join(map(str, seeds))}"


class _Skill(NamedTuple):
    """What the seeds of one method scored on one variable."""

    rmse: Spread
    off: float | None
    spread: float | None
    spread_skill: float | None
    crps: float | None


def _skill_of(runs: Sequence[Scores], cell: Cell, region: str) -> _Skill:
    def spread(metric: str) -> Spread:
        return over_seeds(scores.value(cell, metric, region) for scores in runs)

    others = (spread(metric).median for metric in ("spread", "spread_skill", "crps"))
    off = over_seeds(scores.value(cell, "rmse", UNOBSERVED) for scores in runs)
    return _Skill(spread("rmse"), off.median, *others)


def _add_cell(
    table: Table,
    cell: Cell,
    board: Runs,
    skills: Mapping[str, _Skill],
    columns: Sequence[str],
    marks: Mapping[str, str],
) -> None:
    """A section of the table: one variable, a row for each method."""
    table.add_section()
    errors = {method: skill.rmse.median for method, skill in skills.items()}
    best = min((error for error in errors.values() if error), default=None)
    first = next(iter(board.values()))[0]
    unit = units(first.units(cell[0]))
    heads = [Text(label(*cell)), Text(unit, "dim")]
    heads += [Text("")] * (len(board) - len(heads))
    best_first = sorted(skills.items(), key=lambda item: errors[item[0]] or inf)
    for head, (method, skill) in zip(heads, best_first, strict=False):
        texts = _skill_texts(skill, errors.get(REFERENCE))
        if skill.rmse.median is None:
            texts |= _reason(board[method])
        elif skill.rmse.median == best:
            texts = {column: Text(text.plain, "bold") for column, text in texts.items()}
        mark = f" ({marks[method]})" if marks[method] else ""
        table.add_row(head, display_name(method) + mark, *(texts[column] for column in columns))


def _skill_texts(skill: _Skill, reference: float | None) -> dict[str, Text]:
    """The text of every column.

    Arguments:
        reference: RMSE that the ratio refers to.
    """
    rmse = skill.rmse
    ratio = rmse.median / reference if rmse.median is not None and reference else None
    diverged = f"{rmse.missing}/{rmse.seeds}" if rmse.missing else NO_VALUE
    return {
        "RMSE": Text(number(rmse.median)),
        "off": Text(number(skill.off)),
        "range": Text(_range(rmse)),
        "ratio": Text(number(ratio)),
        "spread": Text(number(skill.spread)),
        "spread/skill": Text(number(skill.spread_skill)),
        "CRPS": Text(number(skill.crps)),
        "diverged": Text(diverged, "red" if rmse.missing else ""),
    }


def _range(spread: Spread) -> str:
    return f"{number(spread.low)}..{'diverged' if spread.missing else number(spread.high)}"


def _reason(runs: Sequence[Scores]) -> dict[str, Text]:
    """What stands in place of an RMSE and its ratio."""
    if len(runs) > 1:
        return {"RMSE": Text("diverged", "red"), "ratio": Text(NO_VALUE)}
    status = runs[0].status
    if status.diverged:
        return {"RMSE": Text("diverged", "red"), "ratio": Text(status.when, "red")}
    return {"RMSE": Text(NO_VALUE, "dim"), "ratio": Text(NO_VALUE, "dim")}


def _cost_table(board: Runs) -> Table:
    table = _empty_table(
        "weights and cost", "evaluations: calls of the denoiser for a member in a cycle"
    )
    table.add_column("method", overflow="fold")
    for column in COST_COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for method, runs in board.items():
        table.add_row(display_name(method), *_cost_texts(runs))
    return table


def _cost_texts(runs: Sequence[Scores]) -> list[str]:
    """The texts of `COST_COLUMNS`; medians over the seeds that have a number."""

    def diagnostic(name: str) -> float | None:
        return _median(scores.mean_of(name) for scores in runs)

    return [
        str(runs[0].members),
        number(diagnostic("ess"), 2),
        number(diagnostic("unique_ancestors"), 2),
        number(diagnostic("alpha"), 2),
        number(_median(scores.evaluations_a_cycle for scores in runs)),
        number(_median(scores.cost.get("wall_seconds_a_cycle") for scores in runs), 2),
    ]


def _median(values: Iterable[float | None]) -> float | None:
    return over_seeds(v for v in values if v is not None).median


def comparison(table: pd.DataFrame, reference: str = REFERENCE) -> RenderableType:
    """What `compare.compare_all` says, a table for each scenario and system."""
    problems = table.groupby(["scenario", "system"], sort=False)
    return Group(*(_comparison_table(rows, reference) for _, rows in problems))


def _comparison_table(rows: pd.DataFrame, reference: str) -> Table:
    first = rows.loc[rows["seeds"].idxmax()]
    seeds = _and(_number_of_seeds(first["seeds"]), shared_in_words(first["truths"], first["seeds"]))
    if first["truths"] == 1 < first["seeds"]:
        seeds += ": verdicts are about this weather alone"
    title = f"{first['scenario']} · {first['system']}, against {display_name(reference)}"
    table = _empty_table(title, f"{seeds}; {NOTES}")
    with_null = bool(rows["null"].notna().any())
    columns = ["value", "diff.", "95 %", "Sidak", "BH"]
    if with_null:
        columns.append("null")
    table.add_column("method", overflow="fold")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    with_regions = set(rows["region"]) != {GLOBAL}
    for method in in_order(rows["method"].unique()):
        table.add_section()
        name = display_name(method)
        for row in rows.loc[rows["method"] == method].to_dict(orient="records"):
            what = _compared_score(row, with_region=with_regions)
            table.add_row(name, what, *_comparison_texts(row, with_null=with_null))
            name = ""
    return table


def _number_of_seeds(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def _compared_score(row: Mapping[str, Any], *, with_region: bool) -> str:
    """`t500 rmse`, and the region where it is not the globe alone."""
    text = f"{label(row['variable'], _number_or_none(row['level']))} {row['metric']}"
    return f"{text} {row['region']}" if with_region else text


def _comparison_texts(row: Mapping[str, Any], *, with_null: bool) -> list[str | Text]:
    texts: list[str | Text] = [
        number(_number_or_none(row["a"])),
        number(_number_or_none(row["difference"])),
        _interval(row["low"], row["high"]),
        _probability(_number_or_none(row["p_sidak"])),
        _probability(_number_or_none(row["p_bh"])),
    ]
    if with_null:
        texts.append(_interval(row["null_low"], row["null_high"]))
    return [*texts, _verdict(row["verdict"])]


def _interval(low: float, high: float) -> str:
    ends = _number_or_none(low), _number_or_none(high)
    return "" if None in ends else "..".join(number(end, 2) for end in ends)


def _probability(p: float | None) -> str:
    if p is None:
        return NO_VALUE
    return "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def _number_or_none(value: float) -> float | None:
    return float(value) if pd.notna(value) else None


def _verdict(text: str) -> Text:
    return Text(text, VERDICT_STYLES.get(text, "red" if "diverged" in text else ""))
