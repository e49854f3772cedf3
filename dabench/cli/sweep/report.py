"""Scores against settings: a table, and heat maps of the score for every pair of settings."""

import itertools
import json
from pathlib import Path
from typing import Any

import pandas as pd

BINS = 8
FIXED = ("digest", "method", "status", "reason", "folder", "score")


def write(rows: list[dict[str, Any]], out: Path, label: str) -> list[Path]:
    """`sweep.csv` and the figures; returns what was written.

    Arguments:
        rows: Results of `execute.run_point`.
        label: What the score is.
    """
    table = pd.DataFrame(rows).sort_values(["method", "digest"], ignore_index=True)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "sweep.csv", index=False)
    names = [str(name) for name in table if name not in FIXED]
    varied = [n for n in names if len({_text(row.get(n)) for row in rows}) > 1]
    pairs = list(itertools.combinations(varied, 2)) or [(name, name) for name in varied]
    sound: Any = table[table["score"].notna()]
    files = [out / "sweep.csv"]
    for method, part in sound.groupby("method"):
        for row, column in pairs:
            path = out / f"{method}-{row}-{column}.png"
            files.append(_heat_map(part, row, column, path, label))
    return files


def _text(value: Any) -> str:
    return json.dumps(value, default=str)


def _places(values: Any) -> Any:
    """Values as labels in order; many different numbers fall into bins of equal counts."""
    numbers: Any = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        return values.map(_text)
    if numbers.nunique() <= BINS:
        return numbers
    bins: Any = pd.qcut(numbers, BINS, duplicates="drop")
    return bins.map(lambda i: float(f"{i.mid:.3g}"))


def _heat_map(table: pd.DataFrame, row: str, column: str, path: Path, label: str) -> Path:
    """Median score for every pair of values, over all else that varies."""
    import seaborn as sns
    from matplotlib.figure import Figure

    places: dict[str, Any] = {"y": _places(table[row]), "x": _places(table[column])}
    grid = table.assign(**places)
    grid = grid.pivot_table(values="score", index="y", columns="x", aggfunc="median", observed=True)
    if row == column:  # one setting alone: a strip
        grid = pd.DataFrame([table.groupby(places["x"], observed=True)["score"].median()], [""])
    size = 2 + 0.7 * grid.shape[1], 1.6 + 0.5 * grid.shape[0]
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    sns.heatmap(grid, annot=True, fmt=".3g", cmap="viridis_r", cbar_kws={"label": label}, ax=axes)
    axes.set(xlabel=column, ylabel="" if row == column else row)
    figure.savefig(path, dpi=150)
    return path
