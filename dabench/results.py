"""Results: what a method scored on a scenario, one file a method, small enough to be committed.

A result is the scores of one or several seeds, without the series and histograms of cells that no
page shows. Its file is <results>/<scenario>/<system>/<method>.json. What a file says is not
trusted: it is checked here, and shown as text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dabench import metrics
from dabench.archive import attributes, find_runs, replace
from dabench.errors import UserError
from dabench.headlines import headlines
from dabench.score import current_scores

SCHEMA = 1
LARGEST = 20 * 2**20
"""Larger files are not read, bytes."""

Text = Annotated[str, Field(max_length=2000)]
Name = Annotated[str, Field(max_length=120, pattern=r"^[^\x00-\x1f]*$")]
Folder = Annotated[
    str,
    Field(max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$"),
]
Label = Annotated[str, Field(max_length=120, pattern=r"^\w[\w .:/%+-]*$")]
Number = float | None
Series = Annotated[list[Number], Field(max_length=100_000)]
Shown = dict[Name, Any]


class Loose(BaseModel):
    """More keys may come, finite numbers only."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class Scenario(Loose):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    name: Folder
    title: Text = ""
    source: Text = ""
    digest: Name


class System(Loose):
    name: Folder
    digest: Name


class Variable(Loose):
    units: Name = ""
    levels: list[Number]
    valid_fraction: float = 1.0


class Row(Loose):
    variable: Label
    level: Number
    region: Label
    metric: Label
    value: Number
    low: Number
    high: Number


class Line(Loose):
    variable: Label
    level: Number
    region: Label
    metric: Label
    values: Series


class Rank(Loose):
    variable: Label
    level: Number
    histogram: Series


class Spectrum(Loose):
    variable: Label
    level: Number
    truth: Series = []
    error: Series = []
    member: Series = []


class Diagnostic(Loose):
    mean: Number
    min: Number
    values: Series


class Innovation(Loose):
    group: Label
    variable: Label
    level: Number
    units: Name
    count: int
    error_std: Number
    bias: Number
    rms: Number
    expected_rms: Number
    background_error: Number
    chi2: Number


class Observations(Loose):
    groups: list[Innovation]
    chi2: Series


class Run(Loose):
    """The scores of one seed, as `scores.json` has them."""

    metric_version: Name
    scenario: Scenario
    system: System
    method: Folder
    filter: Name
    settings: Shown
    digest: Name
    members: int
    seed: int
    status: Annotated[str, Field(pattern=r"^(complete|running|diverged at cycle \d+)$")]
    cycles: int
    spinup: int
    completed: int
    provenance: Shown
    regions: dict[Label, int]
    variables: dict[Label, Variable]
    seconds: Series
    scores: list[Row]
    series: list[Line]
    rank: list[Rank]
    spectra: list[Spectrum]
    observations: Observations | None
    ensemble: dict[Label, Diagnostic]
    cost: dict[Label, Number]


class Result(Loose):
    """One method on one scenario and system; every seed has the same problem and settings."""

    schema_version: Annotated[int, Field(alias="schema", ge=SCHEMA, le=SCHEMA)]
    runs: Annotated[list[Run], Field(min_length=1, max_length=1000)]


def of_run(folder: str | Path) -> dict[str, Any]:
    """One seed's part of a result, from a run's folder; what no page shows is left out."""
    scores = current_scores(folder)
    cells = set(headlines(scores["variables"]))

    def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if (row["variable"], row["level"]) in cells]

    curves = [row for row in shown(scores["series"]) if row["region"] == "global"]
    slim = {"series": curves, "rank": shown(scores["rank"]), "spectra": shown(scores["spectra"])}
    return Run.model_validate(scores | slim).model_dump(mode="json")


def add(folders: Iterable[str | Path], results: str | Path) -> list[Path]:
    """Write runs into the results folder, beside other seeds of the same experiment.

    Seeds of another problem, or of other settings, are dropped: the new runs stand for the method.
    """
    files: dict[Path, dict[int, dict[str, Any]]] = {}
    for run in map(of_run, folders):
        file = Path(
            results, run["scenario"]["name"], run["system"]["name"], f"{run['method']}.json"
        )
        files.setdefault(file, {})[run["seed"]] = run
    for file, runs in files.items():
        old = {r["seed"]: r for r in (load(file) if file.exists() else [])}
        newest = next(iter(runs.values()))
        kept = {seed: r for seed, r in old.items() if experiment(r) == experiment(newest)} | runs
        content = {"schema": SCHEMA, "runs": [kept[seed] for seed in sorted(kept)]}
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, json.dumps(content, allow_nan=False, separators=(",", ":")).encode())
    return list(files)


def experiment(run: Mapping[str, Any]) -> tuple:
    """What all seeds of a result share."""
    return problem(run), run["method"], run["settings"], run["members"], run["cycles"]


def problem(run: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """What all rows of a board share: scenario and system with digests, version of the metrics."""
    scenario, system = run["scenario"], run["system"]
    return (
        scenario["name"],
        scenario["digest"],
        system["name"],
        system["digest"],
        run["metric_version"],
    )


def load(file: str | Path) -> list[dict[str, Any]]:
    """The runs of a result file; UserError where it is not one."""
    file = Path(file)
    try:
        if file.stat().st_size > LARGEST:
            raise UserError(f"{file}: larger than {LARGEST >> 20} MiB; not read.")
        result = Result.model_validate_json(file.read_bytes())
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise UserError(f"{file}: not a result of schema {SCHEMA}: {problem}") from None
    except OSError as e:
        raise UserError(f"{file}: {e.strerror}") from None
    runs = [run.model_dump(mode="json") for run in result.runs]
    if stale := {r["metric_version"] for r in runs} - {metrics.VERSION}:
        raise UserError(
            f"{file}: scored with metrics {sorted(stale)}, this dabench has {metrics.VERSION}; "
            "add the runs again."
        )
    return runs


def find(sources: Iterable[str | Path]) -> list[dict[str, Any]]:
    """All runs of result files, folders of result files and folders with runs, each seed once.

    The later source wins. Runs without a whole cycle are passed over; what was read from an archive
    says so in `folder`.
    """
    found: dict[tuple, dict[str, Any]] = {}
    for source in map(Path, sources):
        if not source.exists():
            raise UserError(f"{source}: not there")
        for run in _read(source):
            found[(*problem(run), run["method"], run["seed"])] = run
    return list(found.values())


def _read(source: Path) -> Iterator[dict[str, Any]]:
    if source.is_file():
        yield from load(source)
        return
    folders = find_runs(source)
    for folder in folders:
        if (attributes(folder) or {}).get("completed", -1) >= 1:
            yield of_run(folder) | {"folder": str(folder)}
    if not folders:
        for file in sorted(source.rglob("*.json")):
            yield from load(file)
