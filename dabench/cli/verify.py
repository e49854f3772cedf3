"""Whether a result is what its archives, or a new run of its scenario, say it is."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from dabench.core.errors import UserError
from dabench.leaderboard import packed_series, results
from dabench.runs.archive.read import attributes, find_runs, has_scores
from dabench.scores.metrics import UNWEIGHTED
from dabench.scores.score import score

if TYPE_CHECKING:
    from dabench.runs.execute import Job

CLOSE = 2e-6
"""Numbers of a result have seven digits; scores of one archive agree to that, relative."""

OUTSIDE = 0.05
"""Share of the values of another run that may lie outside of intervals of 95 %."""


class Verdict(NamedTuple):
    """How one seed of a result compares with an archive.

    Arguments:
        against: Folder of the archive.
        numbers: How many numbers were compared.
        wrong: Those that do not hold, in words.
        allowed: How many of them may be wrong by chance.
    """

    seed: int
    against: str
    numbers: int
    wrong: list[str]
    allowed: int = 0

    @property
    def holds(self) -> bool:
        return self.numbers > 0 and len(self.wrong) <= self.allowed


def verify(result: str | Path, home: str | Path, *, rerun: bool = False) -> list[Verdict]:
    """Compare every number of a result with its archives, or with new runs.

    Arguments:
        result: File of the result.
        home: Folder of the archives; with `rerun`, new ones go to `seed0.verify` there.
        rerun: Run the scenario that the result holds, whatever a file of that name says now.
    Raises: UserError where the file does not agree with itself, or an archive is not there.
    """
    runs = results.load(result)
    archives = dict(_rerun(runs, Path(home)) if rerun else _archives(runs, Path(home)))
    if missing := [run["seed"] for run in runs if run["seed"] not in archives]:
        raise UserError(
            f"{result}: no archive of seed {', '.join(map(str, missing))} in {home}; "
            "--out says where archives are, --rerun makes them anew."
        )
    return [_verdict(run, archives[run["seed"]], rerun) for run in runs]


def report(result: str | Path, home: str | Path, rerun: bool) -> list[str]:
    """Lines for the terminal; UserError where a number does not hold."""
    lines, bad = [], []
    for v in verify(result, home, rerun=rerun):
        outcome = f"{len(v.wrong)} differ" if v.wrong else "all hold"
        lines.append(f"{result}: seed {v.seed}: {v.numbers} numbers, {outcome} ({v.against})")
        if not v.holds:
            bad += [f"{result}: seed {v.seed}: {text}" for text in v.wrong[:10]]
            if len(v.wrong) > 10:
                bad.append(f"... and {len(v.wrong) - 10} more")
    if bad:
        raise UserError("\n".join([*lines, *bad]))
    return lines


def _archives(runs: list[dict[str, Any]], home: Path) -> Iterator[tuple[int, Path]]:
    """Seeds with the folders of the runs that have their digests."""
    seeds = {run["digest"]: run["seed"] for run in runs}
    for folder in find_runs(home) if home.exists() else []:
        digest = (attributes(folder) or {}).get("digest")
        if digest in seeds and has_scores(folder):
            yield seeds[digest], folder


def _rerun(runs: list[dict[str, Any]], home: Path) -> Iterator[tuple[int, Path]]:
    """Seeds with the folders of new runs of what a result says."""
    from dabench.runs.execute import execute

    forecasts = any(run["forecasts"] for run in runs)
    jobs = [_job(run, home) for run in runs]
    outcome = execute(jobs, fresh=True, store_members=True if forecasts else None)
    outcome.reraise()
    for run, folder in zip(runs, outcome.folders, strict=True):
        _forecast_again(run, folder)
        yield run["seed"], folder


def _forecast_again(run: Mapping[str, Any], folder: Path) -> None:
    """Make the forecasts from a new run that a result has of the old one."""
    from dabench.runs.forecasts import forecast

    if old := run["forecasts"]:
        forecast(folder, str(len(old["leads"]) - 1), old["every"])


def _job(run: Mapping[str, Any], home: Path) -> "Job":
    """What was run, from the result alone; UserError if it cannot be made again.

    Settings that methods have got since are at their defaults, and are not part of what was run.
    """
    from dabench.runs.execute import Job
    from dabench.runs.experiment import Experiment
    from dabench.scenario.baseline import from_settings
    from dabench.scenario.scenario import Scenario

    what = f"{run['method']}, seed {run['seed']}"
    try:
        content = {k: v for k, v in run["scenario"].items() if k != "digest"}
        scenario = Scenario.model_validate(content)
    except ValidationError as e:
        raise UserError(f"{what}: its scenario is none: {e.errors()[0]['msg']}") from None
    baseline = from_settings(run["method"], run["filter"], run["settings"], run["members"])
    baseline = replace(baseline, settings=_restricted(run["settings"], baseline.settings))
    folder = home / scenario.name / scenario.system.name / run["method"]
    folder /= f"seed{scenario.seed}.verify"  # a run of its own, which nothing else takes for one
    job = Job(Experiment(scenario), run["method"], baseline, folder, lag=run["lag"])
    if scenario.digest != run["scenario"]["digest"] or scenario.seed != run["seed"]:
        raise UserError(f"{what}: its scenario was changed after it was run")
    if job.attrs()["digest"] != run["digest"]:
        raise UserError(
            f"{what}: the system {scenario.system.name}, or the defaults of {run['filter']}, have "
            "changed since; this dabench cannot make the same run"
        )
    return job


def _restricted(old: Any, new: Any) -> Any:
    """What stands in the new data under the names that the old have."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: _restricted(value, new[name]) for name, value in old.items()}
    return new


def _verdict(run: Mapping[str, Any], folder: Path, rerun: bool) -> Verdict:
    new = results.of_scores(score(folder, UNWEIGHTED in run["regions"]), folder)
    old_rows, new_rows = _rows(run), _rows(new)
    wrong = [f"{k}: {run[k]}, {new[k]} is right" for k in _FACTS if not _close(run[k], new[k])]
    wrong += [f"{_name(key)}: is not in the archive" for key in old_rows.keys() - new_rows.keys()]
    wrong += [f"{_name(key)}: is missing" for key in new_rows.keys() - old_rows.keys()]
    allowed = 0
    same = not _numbers_differ(old_rows, new_rows)
    if rerun and not same:  # another machine: other rounding, and soon another draw
        both = [key for key in old_rows if key in new_rows]
        allowed = int(OUTSIDE * len(both))
        wrong += [_name(key) for key in both if not _within(old_rows[key], new_rows[key])]
    else:
        wrong += _numbers_differ(old_rows, new_rows)
        others = _OTHERS if rerun else (*_OTHERS, *_MADE)
        new["ensemble"] = _known_to(run["ensemble"], new["ensemble"])
        new["observations"] = _in_both(run["observations"], new["observations"])
        wrong += [f"{name}: differs" for name in others if not _close(run[name], new[name])]
        if run["unobserved"] is not None and not _close(run["unobserved"], new["unobserved"]):
            wrong.append("unobserved: differs")
        if run["forecasts"] and not _close(run["forecasts"], new["forecasts"]):
            wrong.append("forecasts: differ")
        if run["pictures"] and not _close(run["pictures"], new["pictures"]):
            wrong.append("pictures: differ")
    return Verdict(run["seed"], str(folder), 3 * len(old_rows), wrong, allowed)


_FACTS = (
    *("metric_version", "scenario", "system", "method", "filter", "settings", "digest"),
    *("members", "lag", "seed", "status", "completed", "cycles", "spinup", "seconds"),
)
"""What was run, and how it ended."""
_OTHERS = (
    *("series", "rank", "spectra", "observations", "withheld", "ensemble"),
    *("regions", "variables"),
)
"""Fields that are compared as a whole."""
_LATER = (
    *("desroziers", "desroziers_background", "analysis_bias", "analysis_rms"),
    *("used", "missing", "background_check", "buddy_check"),
)
"""Numbers of the fit to observations that old results lack, or know for fewer operators."""
_NEW_DIAGNOSTICS = ("residual",)
"""Diagnostics that old results lack."""
_MADE = ("cost", "provenance")
"""Fields that are compared with archives alone: a repeated run has its own."""


def _known_to(old: Any, new: Any) -> Any:
    """Diagnostics without those that old results lack."""
    return {k: v for k, v in new.items() if k in old or k not in _NEW_DIAGNOSTICS}


def _in_both(old: Any, new: Any) -> Any:
    """The new fit to observations without what results of older versions do not have.

    Such numbers are null in each row of the old one, which has no regions.
    """
    if old is None or new is None or old["regions"] is not None:
        return new
    unknown = [{k: None for k in _LATER if row[k] is None} for row in old["groups"]]
    groups = [row | part for row, part in zip(new["groups"], unknown, strict=False)]
    return new | {"groups": groups, "regions": None, "cycles": None}


def _rows(run: Mapping[str, Any]) -> dict[tuple, Mapping[str, Any]]:
    return {(r["variable"], r["level"], r["region"], r["metric"]): r for r in run["scores"]}


def _name(key: tuple) -> str:
    return " ".join(str(part) for part in key if part is not None)


def _numbers_differ(
    old: Mapping[tuple, Mapping[str, Any]], new: Mapping[tuple, Mapping[str, Any]]
) -> list[str]:
    return [
        f"{_name(key)}, {end}: {row[end]}, {new[key][end]} is right"
        for key, row in old.items()
        for end in ("value", "low", "high")
        if key in new and not _close(row[end], new[key][end])
    ]


def _within(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether one value lies in the other's interval."""
    if None in (old["value"], old["low"], new["value"], new["low"]):
        return old["value"] == new["value"]
    return old["low"] <= new["value"] <= old["high"] or new["low"] <= old["value"] <= new["high"]


def _numbers(values: list[Any]) -> bool:
    return all(v is None or isinstance(v, int | float) for v in values)


def _close(a: Any, b: Any) -> bool:
    """Plain data with numbers equal to `CLOSE`, relative; long series to the last bit they keep.

    Arguments:
        a: A field of the result.
        b: The same field, from the archive.
    """
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= CLOSE * max(abs(a), abs(b)) + 1e-300
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_close(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        if len(a) > packed_series.LONG and _numbers(a) and _numbers(b):
            return packed_series.is_of(a, b, CLOSE)
        return len(a) == len(b) and all(map(_close, a, b))
    return a == b
