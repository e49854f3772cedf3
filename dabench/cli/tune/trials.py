"""The trials of a search: which there are, which were made, and what came of each."""

import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from dabench.cli.sweep.spec import Point, Range, Search, Sweep, points
from dabench.cli.tune.objective import climate_std, objective
from dabench.core.errors import UserError
from dabench.runs.execute import Job
from dabench.scenario import yamlfile

LOG = "trials.jsonl"


class Trial(NamedTuple):
    """What came of one choice of settings.

    Arguments:
        digest: Of all that the run was made with, which names its folder too.
        settings: Those that were searched; none of them: the baseline as it was.
        status: Of the run.
        objective: The smaller the better; None where the run diverged or was refused.
    """

    digest: str
    settings: dict[str, Any]
    status: str
    objective: float | None


def space(changes: Sequence[str]) -> dict[str, Any]:
    """`key=a,b,c` and `key=low..high` (`log` behind it) as lists and ranges of a sweep.

    The key is `members` or a setting of the filter.
    """
    found: dict[str, Any] = {}
    for text in changes:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise UserError(f"--set {text}: is not of the form key=a,b,c or key=low..high")
        name = key if key == "members" else f"filter.{key}"
        found[name] = _range(text, value) if ".." in value else _list(text, value)
    return found


def _range(text: str, value: str) -> Range:
    numbers, log, _ = value.partition("log")
    try:
        low, high = (float(n) for n in numbers.split(".."))
        return Range(low=low, high=high, scale="log" if log else "linear")
    except ValueError:
        raise UserError(f"--set {text}: give a range as 0.1..0.9, or 10..1000 log") from None


def _list(text: str, value: str) -> list[Any]:
    return yamlfile.parse(f"[{value}]", f"--set {text}").data


def candidates(
    scenario: str, method: str, period: Mapping[str, Any], search: Mapping[str, Any], most: int
) -> list[Point]:
    """The baseline as it is, then the whole grid or a random part of it, or points of ranges.

    UserError where the method does not take such settings.
    """
    fixed: dict[str, Any] = {name: [value] for name, value in period.items()}
    one = Sweep(scenario=scenario, methods=(method,), vary=fixed)
    ranges = any(isinstance(values, Range) for values in search.values())
    draws = Search(runs=most) if ranges else None
    many = points(one.model_copy(update={"vary": {**one.vary, **search}, "random": draws}))
    many = [point for point in many if point != points(one)[0]]
    chosen = many if ranges or len(many) < most else random.Random(0).sample(many, most - 1)
    found = [*points(one), *chosen][:most]
    for point in found:
        point.job(Path())
    return found


class Log:
    """Trials that were made, one a line; what a killed process left half-written is no trial.

    Arguments:
        about: What all trials have to share to be compared; others in the file are passed over.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]):
        self.path, self.about = path, dict(about)
        path.parent.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[str, Trial]:
        lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        entries = [entry for line in lines if (entry := _entry(line))]
        found = [Trial(**e["trial"]) for e in entries if e["about"] == self.about]
        return {trial.digest: trial for trial in found}

    def append(self, trial: Trial) -> None:
        with open(self.path, "ab") as f:
            line = json.dumps({"about": self.about, "trial": trial._asdict()})
            f.write(b"\n" + line.encode() + b"\n")
            f.flush()
            os.fsync(f.fileno())


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        return json.loads(line)
    except ValueError:
        return None


def run(
    found: Sequence[Point],
    home: Path,
    log: Log,
    metric: str,
    seconds: float | None,
    say: Callable[[str], None],
) -> list[Trial]:
    """All trials that are made within a time, those of the log among them, in their order."""
    begin, made, scale = time.monotonic(), log.read(), None
    trials = []
    for i, point in enumerate(found):
        job, searched = _job(point, home), _searched(point)
        digest = job.folder.parent.name
        if digest not in made:
            if seconds is not None and time.monotonic() - begin > seconds:
                say(f"{seconds:g} s are over after {i} of {len(found)} trials")
                break
            scale = scale or climate_std(job.experiment.system)
            made[digest] = Trial(digest, searched, *_try(job, metric, scale))
            log.append(made[digest])
        trials.append(made[digest]._replace(settings=searched))
        say(f"{i + 1}/{len(found)} {shown(trials[-1])}; best {shown(best(trials))}")
    return trials


def _job(point: Point, home: Path) -> Job:
    """In a folder that is named by all its settings: the baseline may change between searches."""
    job = point.job(home)
    what = f"{job.experiment.scenario.digest} {job.baseline.digest}"
    digest = hashlib.sha256(what.encode()).hexdigest()[:12]
    folder = job.folder.parent.with_name(digest) / job.folder.name
    return replace(job, folder=folder)


def _searched(point: Point) -> dict[str, Any]:
    return {k: v for k, v in point.values.items() if not k.startswith("scenario.")}


def _try(job: Job, metric: str, scale: Mapping[Any, float]) -> tuple[str, float | None]:
    """Status and objective."""
    from dabench.scores.files import ensure_scores

    try:
        status = job.run(False, None, Console(quiet=True))
    except UserError as e:
        return f"refused: {e}", None
    return str(status), objective(ensure_scores(job.folder), scale, metric)


def best(trials: Sequence[Trial]) -> Trial | None:
    """The smallest objective; the first of equals. None where none has one."""
    sound = [t for t in trials if t.objective is not None]
    return min(sound, key=lambda t: t.objective or 0.0, default=None)


def edges(search: Mapping[str, Any], trials: Sequence[Trial]) -> Iterator[str]:
    """Where the best is the smallest or largest number of a list, so that a better may lie beyond.

    Arguments:
        search: Of `space`.
    """
    top = best(trials)
    equal = [t for t in trials if top and t.objective == top.objective]
    for name, values in search.items():
        for value in _ends(values):
            if any(t.settings.get(name) == value for t in equal):
                yield f"{name}={value} is at the end of what was tried; the best may lie beyond"


def _ends(values: Any) -> tuple[float, ...]:
    """The smallest and largest of a list of numbers; nothing of anything else."""
    if not isinstance(values, list) or len(values) < 2:
        return ()
    return (min(values), max(values)) if all(type(v) in (int, float) for v in values) else ()


def shown(trial: Trial | None) -> str:
    """A trial in a line."""
    if trial is None:
        return "none"
    value = trial.status if trial.objective is None else f"{trial.objective:.5g}"
    chosen = ", ".join(f"{k.partition('.')[2] or k}={v}" for k, v in trial.settings.items())
    return f"{value} ({chosen or 'as it was'})"
