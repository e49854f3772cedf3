"""The scores beside an archive: `scores.json`, and the same as a tidy table.

`dabench score`, `run`, `tune` and `sweep` write them. Everything else only reads, and scores the
archive in memory where the files are missing or older.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dabench.core import files
from dabench.core.errors import UserError
from dabench.runs.archive import read
from dabench.scores import metrics
from dabench.scores.further import further
from dabench.scores.record import Key, Score, Scores
from dabench.scores.score import described, score

SCHEMA = 6
FILE, TABLE, FURTHER = "scores.json", "scores.parquet", "further.csv"


def score_run(path: str | Path, unweighted: bool = False) -> Scores:
    """Score the whole cycles of a run and write the scores beside its archive, atomically.

    The same archive gives the same bytes.

    Arguments:
        unweighted: See `score.score`.
    Raises: UserError where there is no run, or no cycle is complete.
    """
    scores, folder = score(path, unweighted), _folder(path)
    files.replace(folder / FILE, json.dumps(_document(scores), allow_nan=False).encode())
    table = tidy(scores).to_parquet(engine="pyarrow", compression="zstd", index=False)
    files.replace(folder / TABLE, table)
    return scores


def ensure_scores(path: str | Path) -> Scores:
    """The scores of a run, written anew where the files are missing or older than the archive."""
    return scores_on_disk(path) or score_run(path)


def current_scores(path: str | Path, unweighted: bool = False) -> Scores:
    """The scores of a run as its archive is now; nothing is written.

    They are read from the file where that is as new as the archive, else made in memory.

    Arguments:
        unweighted: Unweighted scores must be among them, see `score.score`.
    """
    scores = scores_on_disk(path)
    if scores is None or (unweighted and metrics.UNWEIGHTED not in scores.regions):
        return score(path, unweighted)
    return scores


def load_scores(path: str | Path) -> Scores:
    """The scores of a run's folder or file; UserError unless this version of dabench made them."""
    return Scores.from_plain(_read(path))


def scores_on_disk(path: str | Path) -> Scores | None:
    """The scores that are there, if they are of the archive as it is now."""
    folder = _folder(path)
    attrs = read.attributes(folder)
    try:
        document = _read(folder)
    except UserError:
        return None
    fresh = attrs is None or described(attrs).items() <= document.items()
    return Scores.from_plain(document) if fresh else None


def _read(path: str | Path) -> dict[str, Any]:
    file = Path(path) if Path(path).suffix == ".json" else _folder(path) / FILE
    try:
        document = json.loads(file.read_bytes())
        versions = document["schema"], document["metric_version"]
    except FileNotFoundError:
        raise UserError(f"{file}: not there; `dabench score {file.parent}` makes it.") from None
    except (ValueError, KeyError, TypeError) as e:
        raise UserError(f"{file}: not a file of scores ({e}); score the run again.") from None
    if versions != (SCHEMA, metrics.VERSION):
        raise UserError(
            f"{file}: schema and metrics {versions}, this dabench has {SCHEMA, metrics.VERSION}; "
            "score the run again."
        )
    return document


def _document(scores: Scores) -> Mapping[str, Any]:
    """The content of `scores.json`."""
    document = {"schema": SCHEMA, **scores.plain()}
    absent = [
        name
        for name in ("withheld", "unobserved", "pictures", "forecasts")
        if document[name] is None
    ]
    return {name: value for name, value in document.items() if name not in absent}


def _folder(path: str | Path) -> Path:
    return Path(path).parent if Path(path).name == "archive.zarr" else Path(path)


def score_further(
    path: str | Path, names: Sequence[str], climatology: str | Path | None = None
) -> Path:
    """Write further scores of a run beside its archive, as a table; returns its file.

    Arguments:
        names, climatology: See `further.further`.
    """
    rows = further(path, names, climatology)
    table = pd.DataFrame([key._asdict() | score._asdict() for key, score in rows.items()])
    file = _folder(path) / FURTHER
    files.replace(file, table.to_csv(index=False).encode())
    return file


def tidy(scores: Scores) -> pd.DataFrame:
    """One row a value: variable, level, region, metric, cycle (-1: headline), value, low, high."""
    headline = pd.DataFrame([key._asdict() | s._asdict() for key, s in scores.scores.items()])
    series = pd.DataFrame([key._asdict() | {"value": v} for key, v in scores.every_cycle.items()])
    series["cycle"] = [range(len(v)) for v in series["value"]]
    rows = [headline.assign(cycle=-1), series.explode(["value", "cycle"])]
    table = pd.concat([part for part in rows if len(part)], ignore_index=True)
    table = table.reindex(columns=[*Key._fields, *Score._fields, "cycle"])
    numbers = {c: table[c].astype(float) for c in ("level", *Score._fields)}
    labels = {c: table[c].astype("category") for c in ("variable", "region", "metric")}
    return table.assign(**numbers, **labels, cycle=table["cycle"].astype("int32"))
