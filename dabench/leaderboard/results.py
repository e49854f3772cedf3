"""Results: what a method scored on a scenario, one file a method, small enough to be committed.

A result is the scores of one or several seeds, without the series and histograms of cells that no
page shows; long series are packed (see `packed`). Its file is
<results>/<scenario>/<system>/<method>.json. What a file says is not trusted: it is checked here,
and shown as text.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dabench.core.errors import UserError
from dabench.core.files import replace
from dabench.core.workers import Each, here
from dabench.leaderboard import packed_series, thumbnails
from dabench.leaderboard.result_schema import SCHEMA, ResultFile, RunRecord
from dabench.runs.archive.read import attributes, find_runs
from dabench.scores import metrics
from dabench.scores.headlines import headlines
from dabench.scores.identity import problem, settings_digest
from dabench.scores.score import current_scores

LARGEST = 20 * 2**20
"""Larger files are not read, bytes."""

MANY = 100
"""So many files are worth the start of other processes."""

WITH_SERIES = ("series", "rank", "spectra", "observations", "withheld", "ensemble")
"""Parts of a run that hold numbers cycle by cycle, bin by bin, or wavenumber by wavenumber."""

MADE_WITH = ("scenario", "settings")
"""Parts from which a run can be made again, to the last digit."""

TESTED = ("rmse", "crps")
"""Metrics whose series are kept for all variables and levels, so that pages can test them."""


def of_run(folder: str | Path) -> dict[str, Any]:
    """One seed's part of a result, from a run's folder; what no page shows is left out."""
    scores = current_scores(folder)
    cells = set(headlines(scores["variables"]))

    def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if (row["variable"], row["level"]) in cells]

    globe = [row for row in scores["series"] if row["region"] == "global"]
    kept = shown(globe) + [row for row in globe if row["metric"] in TESTED]
    curves = list({(r["variable"], r["level"], r["metric"]): r for r in kept}.values())
    slim = {"series": curves, "rank": shown(scores["rank"]), "spectra": shown(scores["spectra"])}
    seen = {"pictures": thumbnails.of_run(folder, scores["variables"])}
    made_with = {name: scores[name] for name in MADE_WITH}
    return RunRecord.model_validate(rounded(scores | slim | seen) | made_with).model_dump(
        mode="json"
    )


def rounded(value: Any) -> Any:
    """Plain data with floats of `packed.DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{packed_series.DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def content(runs: Sequence[Mapping[str, Any]]) -> bytes:
    """The file of a method's runs, one a seed."""
    runs = sorted(runs, key=lambda run: run["seed"])
    runs = [{**run, "pictures": None} if i else run for i, run in enumerate(runs)]
    runs = [_packed(run) for run in runs]
    _, scenario, _, system, version = problem(runs[0])
    head = {
        "schema": SCHEMA,
        "metric_version": version,
        "scenario_digest": scenario,
        "system_digest": system,
        "digest": settings_digest(runs[0]),
        "seeds": [run["seed"] for run in runs],
        "commands": list(dict.fromkeys(str(r["provenance"].get("command", "")) for r in runs)),
        "sha256": fingerprint(runs),
    }
    return json.dumps(head | {"runs": runs}, allow_nan=False, separators=(",", ":")).encode()


def _packed(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as a file has it."""
    parts = {name: _short(run[name]) for name in WITH_SERIES if name in run}
    return {**run, **parts, "seconds": packed_series.pack_times(run["seconds"])}


def _short(value: Any) -> Any:
    """Plain data with its long lists of numbers packed."""
    if isinstance(value, Mapping):
        return {key: _short(v) for key, v in value.items()}
    if not isinstance(value, list):
        return value
    numbers = all(v is None or isinstance(v, int | float) for v in value)
    return packed_series.pack(value) if numbers else [_short(v) for v in value]


def fingerprint(runs: Sequence[Mapping[str, Any]]) -> str:
    """sha256 of runs as canonical JSON."""
    text = json.dumps(runs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def add(folders: Iterable[str | Path], results: str | Path) -> list[Path]:
    """Write runs into the results folder, beside other seeds of the same experiment.

    Seeds of another problem, or of other settings, are dropped: the new runs stand for the method.
    UserError, before anything is written, for runs that have not ended or do not belong together.
    """
    files: dict[Path, dict[int, dict[str, Any]]] = {}
    for run in map(of_run, folders):
        if run["status"] == "running":
            raise UserError(
                f"{run['method']}, seed {run['seed']}: has not ended; go on with `dabench run`."
            )
        files.setdefault(Path(results, place(run)), {})[run["seed"]] = run
    for file, runs in files.items():
        if _several(runs.values()):
            raise UserError(f"{file.stem}: its runs are of {SEVERAL}; add those of one experiment")
    for file, runs in files.items():
        old = {r["seed"]: r for r in (load(file) if file.exists() else [])}
        newest = next(iter(runs.values()))
        kept = {seed: r for seed, r in old.items() if experiment(r) == experiment(newest)} | runs
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, content(list(kept.values())))
    return list(files)


def place(run: Mapping[str, Any]) -> Path:
    """The file of a run, in a folder of results."""
    return Path(run["scenario"]["name"], run["system"]["name"], f"{run['method']}.json")


def experiment(run: Mapping[str, Any]) -> tuple:
    """What all seeds of a result share."""
    return problem(run), run["method"], run["settings"], run["members"], run["cycles"]


SEVERAL = "several problems, settings or lengths"


def _several(runs: Iterable[Mapping[str, Any]]) -> bool:
    """Whether they are not seeds of one experiment."""
    return len({json.dumps(experiment(run), sort_keys=True) for run in runs}) > 1


def load(file: str | Path) -> list[dict[str, Any]]:
    """The runs of a result file; UserError where it is not one."""
    file = Path(file)
    try:
        if file.stat().st_size > LARGEST:
            raise UserError(f"{file}: larger than {LARGEST >> 20} MiB; not read.")
        text = file.read_bytes()
        result = ResultFile.model_validate_json(text)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise UserError(f"{file}: not a result of schema {SCHEMA}: {problem}") from None
    except OSError as e:
        raise UserError(f"{file}: {e.strerror}") from None
    runs = [run.model_dump(mode="json") for run in result.runs]
    _check(file, result, runs, fingerprint(json.loads(text)["runs"]))
    return runs


def _check(file: Path, result: ResultFile, runs: Sequence[Mapping[str, Any]], found: str) -> None:
    """UserError where a file is of other metrics, or does not agree with itself.

    Arguments:
        found: Fingerprint of the runs as the file has them.
    """
    if stale := {r["metric_version"] for r in runs} - {metrics.VERSION}:
        raise UserError(
            f"{file}: scored with metrics {sorted(stale)}, this dabench has {metrics.VERSION}; "
            "add the runs again."
        )
    if _several(runs):
        raise UserError(f"{file}: its seeds are of {SEVERAL}")
    _, scenario, _, system, version = problem(runs[0])
    told = (result.scenario_digest, result.system_digest, result.metric_version, result.digest)
    if told != (scenario, system, version, settings_digest(runs[0])):
        raise UserError(f"{file}: its digests are not those of its runs")
    if result.seeds != [run["seed"] for run in runs] or len({*result.seeds}) < len(runs):
        raise UserError(f"{file}: its seeds are not those of its runs")
    if result.sha256 != found:
        raise UserError(
            f"{file}: was changed after it was made (sha256 {found[:12]}, "
            f"it says {result.sha256[:12]}); add the runs again."
        )


def find(sources: Iterable[str | Path], each: Each = here) -> list[dict[str, Any]]:
    """All runs of result files, folders of result files and folders with runs, each seed once.

    The later source wins. Runs without a whole cycle are passed over; what was read from an archive
    says so in `folder`.

    Arguments:
        each: Reads the files of a folder; see `workers.processes`.
    """
    found: dict[tuple, dict[str, Any]] = {}
    for source in map(Path, sources):
        if not source.exists():
            raise UserError(f"{source}: not there")
        for run in _read(source, each):
            key = (*problem(run), run["method"], run["seed"])
            found.pop(key, None)
            found[key] = run  # the last of all
    return list(found.values())


def _read(source: Path, each: Each) -> Iterator[dict[str, Any]]:
    if source.is_file():
        yield from load(source)
        return
    folders = find_runs(source)
    for folder in folders:
        if (attributes(folder) or {}).get("completed", -1) >= 1:
            yield of_run(folder) | {"folder": str(folder)}
    if not folders:
        yield from committed(source, each)


def committed(folder: Path, each: Each = here) -> Iterator[dict[str, Any]]:
    """The runs of a folder of result files; UserError where rows of one board are of two problems,
    or where a file does not have the name of what it holds.

    A row whose scenario has been changed since must be run again, or go.
    """
    first: dict[Path, tuple[tuple, Path]] = {}
    known: dict[Path, Path] = {}
    files = sorted(folder.rglob("*.json"))
    for file, runs in zip(files, each(MANY)(load, files), strict=True):
        own = place(runs[0])
        if file.absolute().parts[-len(own.parts) :] != own.parts:
            raise UserError(f"{file}: holds {own}, and belongs there")
        if (other := known.setdefault(own, file)) != file:
            raise UserError(f"{other} and {file}: both hold {own}")
        key, other = first.setdefault(file.parent, (problem(runs[0]), file))
        if problem(runs[0]) != key:
            raise UserError(
                f"{other} and {file.name}: are of different problems (digests of scenario and "
                f"system {key[1][:12]}, {key[3][:12]} and {problem(runs[0])[1][:12]}, "
                f"{problem(runs[0])[3][:12]}); they cannot share a board. Run the older one again "
                "and add it, or take it away."
            )
        yield from runs
