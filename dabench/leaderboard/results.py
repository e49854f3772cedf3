"""Result files: what a method scored on a scenario, small enough to be committed.

A result is the scores of one or several seeds, without the series and histograms of cells that no
page shows; long series are packed (see `packed_series`). Its file is
<results>/<scenario>/<system>/<method>.json. The content of a file is not trusted: it is checked
here, and pages show it as text.
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
from dabench.leaderboard.published import published_of
from dabench.leaderboard.result_schema import SCHEMA, ResultFile, RunRecord
from dabench.runs.archive.read import attributes, find_runs, has_scores
from dabench.scores import forecasts, metrics
from dabench.scores.files import current_scores
from dabench.scores.headlines import headlines
from dabench.scores.identity import ProblemIdentity, problem_of, settings_digest
from dabench.scores.metrics import UNWEIGHTED
from dabench.scores.metrics.registry import TESTED
from dabench.scores.record import GLOBAL, Scores

LARGEST = 20 * 2**20
"""Size in bytes above which a file is not read."""

MANY = 100
"""Number of files that are worth the start of other processes."""

WITH_SERIES = ("series", "rank", "spectra", "observations", "withheld", "ensemble")
"""Parts of a run that hold a number for every cycle, bin or wavenumber."""

MADE_WITH = ("scenario", "settings")
"""Parts from which a run can be made again; they keep all their digits."""


def of_run(folder: str | Path) -> dict[str, Any]:
    """One seed's part of a result, from the folder of its run; UserError if it has not ended."""
    scenario = (attributes(Path(folder)) or {}).get("scenario", {})
    unweighted = published_of(scenario) is not None
    scores = current_scores(folder, unweighted)
    if str(scores.status) == "running":  # its files may change while they are read
        raise UserError(
            f"{scores.method}, seed {scores.seed}: has not ended; finish it with `dabench run`."
        )
    return of_scores(scores, folder)


def of_scores(scores: Scores, folder: str | Path) -> dict[str, Any]:
    """One seed's part of a result, without what no page shows.

    Arguments:
        folder: Folder of the run, from whose archive the pictures are made, and where forecasts
            from its analyses are.
    """
    headline_cells = set(headlines(scores.variables))
    globe = {k: v for k, v in scores.every_cycle.items() if k.region in (GLOBAL, UNWEIGHTED)}
    drawn = {key: values for key, values in globe.items() if key.cell in headline_cells}
    tested = {key: values for key, values in globe.items() if key.metric in TESTED}
    slim = scores.replace(
        every_cycle=drawn | tested,
        histograms={cell: v for cell, v in scores.histograms.items() if cell in headline_cells},
        spectra={cell: v for cell, v in scores.spectra.items() if cell in headline_cells},
        pictures=thumbnails.of_run(folder, scores.variables),
        forecasts=forecasts.plain_of(folder),
    ).plain()
    made_with = {name: slim[name] for name in MADE_WITH}
    return RunRecord.model_validate(rounded(slim) | made_with).model_dump(mode="json")


def rounded(value: Any) -> Any:
    """Plain data whose floats have `packed_series.DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{packed_series.DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def content(runs: Sequence[Mapping[str, Any]]) -> bytes:
    """Content of the file of a method's runs, one for each seed; the first keeps its pictures."""
    first, *others = sorted(runs, key=lambda run: run["seed"])
    runs = [_packed(run) for run in (first, *({**run, "pictures": None} for run in others))]
    _, scenario, _, system, version = _problem(runs[0])
    head = {
        "schema": SCHEMA,
        "metric_version": version,
        "scenario_digest": scenario,
        "system_digest": system,
        "digest": _settings_digest(runs[0]),
        "seeds": [run["seed"] for run in runs],
        "commands": list(dict.fromkeys(str(r["provenance"].get("command", "")) for r in runs)),
        "sha256": fingerprint(runs),
    }
    return json.dumps(head | {"runs": runs}, allow_nan=False, separators=(",", ":")).encode()


def _packed(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run as a file has it: its long series packed."""
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


def add(
    folders: Iterable[str | Path], results: str | Path, author: str | None = None
) -> list[Path]:
    """Write runs into the results folder, beside other seeds of the same experiment.

    Seeds of another problem, or of other settings, are dropped: the new runs replace them.

    Arguments:
        author: Who made the runs, for their pages.

    Returns: The files that were written.
    Raises: UserError, before anything is written, for runs that have not ended or do not belong
        together.
    """
    files: dict[Path, dict[int, dict[str, Any]]] = {}
    for run in map(of_run, folders):
        if author:
            run["provenance"]["author"] = author
        files.setdefault(Path(results, place(run)), {})[run["seed"]] = run
    for file, runs in files.items():
        if _several(runs.values()):
            raise UserError(f"{file.stem}: its runs are of {SEVERAL}; add those of one experiment")
    for file, runs in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, content([*_other_seeds(file, runs), *runs.values()]))
    return list(files)


def _other_seeds(file: Path, runs: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Runs of a file that are of the same experiment as new ones, and of other seeds."""
    if not file.exists():
        return []
    new = {json.dumps(experiment(run), sort_keys=True) for run in runs.values()}
    return [
        run
        for run in load(file)
        if run["seed"] not in runs and json.dumps(experiment(run), sort_keys=True) in new
    ]


def place(run: Mapping[str, Any]) -> Path:
    """Path of a run's file in a folder of results."""
    return Path(run["scenario"]["name"], run["system"]["name"], f"{run['method']}.json")


def _problem(run: Mapping[str, Any]) -> ProblemIdentity:
    return problem_of(run["scenario"], run["system"], run["metric_version"])


def _settings_digest(run: Mapping[str, Any]) -> str:
    return settings_digest(run["filter"], run["settings"], run["members"])


def experiment(run: Mapping[str, Any]) -> tuple:
    """What all seeds of a result share."""
    return _problem(run), run["method"], run["settings"], run["members"], run["cycles"]


SEVERAL = "several problems, settings or lengths"


def _several(runs: Iterable[Mapping[str, Any]]) -> bool:
    """Whether runs are of more than one experiment."""
    return len({json.dumps(experiment(run), sort_keys=True) for run in runs}) > 1


def load(file: str | Path) -> list[dict[str, Any]]:
    """The runs of a result file; UserError where it is not one, or contradicts itself."""
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


def _check(file: Path, result: ResultFile, runs: Sequence[Mapping[str, Any]], sha256: str) -> None:
    """UserError where a file was made with other metrics, or contradicts itself.

    Arguments:
        sha256: Fingerprint of the runs as the file has them.
    """
    if stale := {r["metric_version"] for r in runs} - {metrics.VERSION}:
        raise UserError(
            f"{file}: scored with metrics {sorted(stale)}, this dabench has {metrics.VERSION}; "
            "add the runs again."
        )
    if _several(runs):
        raise UserError(f"{file}: its seeds are of {SEVERAL}")
    _, scenario, _, system, version = _problem(runs[0])
    head = (result.scenario_digest, result.system_digest, result.metric_version, result.digest)
    if head != (scenario, system, version, _settings_digest(runs[0])):
        raise UserError(f"{file}: its digests are not those of its runs")
    if result.seeds != [run["seed"] for run in runs] or len({*result.seeds}) < len(runs):
        raise UserError(f"{file}: its seeds are not those of its runs")
    if result.sha256 != sha256:
        raise UserError(
            f"{file}: was changed after it was made (sha256 {sha256[:12]}, "
            f"it says {result.sha256[:12]}); add the runs again."
        )


def find(sources: Iterable[str | Path], each: Each = here) -> list[Scores]:
    """All runs of result files, folders of result files and folders with runs, each seed once.

    Where two sources have the same run, the later one counts. Runs without a whole cycle are left
    out.

    Arguments:
        each: What spreads the reading of many files over processes; see `workers.processes`.
    """
    runs: dict[tuple, Scores] = {}
    for source in map(Path, sources):
        if not source.exists():
            raise UserError(f"{source}: not there; runs and result files are given by their paths")
        for run in _read(source, each):
            key = (run.problem, run.method, run.seed)
            runs.pop(key, None)
            runs[key] = run  # at the end: the order is that of the last sources
    return list(runs.values())


def _read(source: Path, each: Each) -> Iterator[Scores]:
    if source.is_file():
        yield from map(Scores.from_plain, load(source))
        return
    folders = find_runs(source)
    for folder in filter(has_scores, folders):
        yield Scores.from_plain(of_run(folder))
    if not folders:
        yield from committed(source, each)


def committed(folder: Path, each: Each = here) -> Iterator[Scores]:
    """The runs of a folder of result files.

    A row whose scenario has changed must be run again, or be removed.

    Raises: UserError where rows of one board are of two problems, or where a file does not have the
        name of what it holds.
    """
    first: dict[Path, tuple[ProblemIdentity, Path]] = {}
    files: dict[Path, Path] = {}
    paths = sorted(folder.rglob("*.json"))
    for file, runs in zip(paths, each(MANY)(load, paths), strict=True):
        own, problem = place(runs[0]), _problem(runs[0])
        if file.absolute().parts[-len(own.parts) :] != own.parts:
            raise UserError(f"{file}: holds {own}, and belongs there")
        if (other := files.setdefault(own, file)) != file:
            raise UserError(f"{other} and {file}: both hold {own}")
        expected, other = first.setdefault(file.parent, (problem, file))
        if problem != expected:
            raise UserError(
                f"{other} and {file.name}: are of different problems (digests of scenario and "
                f"system {_digests(expected)} and {_digests(problem)}); they cannot share a board. "
                "Run the older one again and add it, or remove it."
            )
        yield from map(Scores.from_plain, runs)


def _digests(problem: ProblemIdentity) -> str:
    return f"{problem.scenario_digest[:12]}, {problem.system_digest[:12]}"
