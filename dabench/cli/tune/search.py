"""A search for settings: Optuna proposes them, dabench runs them, a journal on disk remembers.

The baseline as it is comes first. Lists alone make a grid, tried in random order; with a range
among them Optuna's tree-structured Parzen estimator proposes. Proposals depend on the trials before
them and their number alone, so a search that was stopped goes on as if it had not been.
"""

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dabench.cli.sweep.spec import Point, Range
from dabench.core.digest import sha256
from dabench.core.errors import UserError
from dabench.scenario import yamlfile

if TYPE_CHECKING:
    import optuna

    from dabench.runs.execute import Job

JOURNAL = "trials.log"

Run = Callable[["Job"], tuple[str, float | None]]
"""Runs a job; returns its status and its objective, None where it has none."""


class Trial(NamedTuple):
    """What came of one choice of settings.

    Arguments:
        settings: Searched settings and their values; empty for the baseline as it is.
        status: How the run ended.
        objective: The smaller the better; None where the run diverged or was refused.
    """

    settings: dict[str, Any]
    status: str
    objective: float | None


class Search(NamedTuple):
    """What is searched for: a scenario's method, on a period, over a space.

    Arguments:
        period: Changes of the scenario that lead to the period to tune on, see `period.values`.
        space: Lists and ranges of values by the name of the setting, see `space`.
        most: Number of trials, the baseline's among them.
    """

    scenario: str
    method: str
    period: Mapping[str, Any]
    space: Mapping[str, Range | list[Any]]
    most: int

    @property
    def size(self) -> int:
        """Number of trials: no more than there are combinations, where all values are listed."""
        lists = [values for values in self.space.values() if isinstance(values, list)]
        return self.most if self.has_ranges else min(self.most, 1 + math.prod(map(len, lists)))

    @property
    def has_ranges(self) -> bool:
        return any(isinstance(values, Range) for values in self.space.values())

    def check(self) -> None:
        """UserError where the method does not take one of the settings, before anything runs."""
        for name, values in self.space.items():
            for value in (values.low, values.high) if isinstance(values, Range) else values:
                self.job({name: value}, Path())

    def job(self, settings: Mapping[str, Any], home: Path) -> "Job":
        """The run of some settings, in a folder named by all that determines it.

        Raises: UserError where the method does not take such settings.
        """
        point = Point(
            scenario=self.scenario, method=self.method, values={**self.period, **settings}
        )
        job = point.job(home)
        name = sha256([job.experiment.scenario.digest, job.baseline.digest])[:12]
        return replace(job, folder=job.folder.parent.with_name(name) / job.folder.name)


def space(changes: list[str]) -> dict[str, Range | list[Any]]:
    """`key=a,b,c` and `key=low..high` (`log` behind it) as lists and ranges.

    The key is `members` or a setting of the filter.
    """
    values: dict[str, Range | list[Any]] = {}
    for text in changes:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise UserError(f"--set {text}: is not of the form key=a,b,c or key=low..high")
        name = key if key == "members" else f"filter.{key}"
        values[name] = _range(text, value) if ".." in value else _list(text, value)
    return values


def _range(text: str, value: str) -> Range:
    numbers, log, _ = value.partition("log")
    try:
        low, high = (float(n) for n in numbers.split(".."))
        return Range(low=low, high=high, scale="log" if log else "linear")
    except ValueError:
        raise UserError(f"--set {text}: give a range as 0.1..0.9, or 10..1000 log") from None


def _list(text: str, value: str) -> list[Any]:
    return yamlfile.parse(f"[{value}]", f"--set {text}").data


def trials(search: Search, home: Path, about: Mapping[str, Any], run: Run) -> Iterator[Trial]:
    """All trials of a search, those of an earlier call from its journal.

    Arguments:
        home: Folder of runs and journal.
        about: What trials share that may be compared: the scenario and the metric.
    """
    first = search.job({}, home)
    yield Trial({}, *run(first))
    study = _study(home / JOURNAL, search, dict(about) | {"baseline": first.baseline.digest})
    _requeue_interrupted(study)
    states = _optuna().trial.TrialState
    ended = study.get_trials(states=(states.COMPLETE, states.PRUNED))
    yield from (_trial(t) for t in ended)
    for number in range(1 + len(ended), search.size):
        study.sampler = _optuna().samplers.TPESampler(
            seed=number, n_startup_trials=max(4, search.most // 3)
        )
        proposal = study.ask(_distributions(search))
        settings = {name: _value(search, name, v) for name, v in proposal.params.items()}
        status, objective = run(search.job(settings, home))
        proposal.set_user_attr("status", status)
        proposal.set_user_attr("settings", settings)
        _tell(study, proposal, objective)
        yield Trial(settings, status, objective)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise UserError("tune: needs Optuna; `pip install 'dabench[tune]'` brings it") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _study(journal: Path, search: Search, about: Mapping[str, Any]) -> "optuna.Study":
    """The study of this search in the journal; another search in the same file is another study."""
    optuna = _optuna()
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    values = {k: v.model_dump() if isinstance(v, Range) else v for k, v in search.space.items()}
    name = sha256({"about": dict(about), "period": dict(search.period), "space": values})[:12]
    journal.parent.mkdir(parents=True, exist_ok=True)
    backend = JournalFileBackend(str(journal), lock_obj=JournalFileOpenLock(str(journal)))
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(backend), study_name=name, load_if_exists=True
    )
    if not study.get_trials(deepcopy=False):
        for params in _grid(search):
            study.enqueue_trial(params)
    return study


def _grid(search: Search) -> list[dict[str, str]]:
    """All combinations of listed values in random order, as many as are tried; none of ranges."""
    if search.has_ranges:
        return []
    texts = [[json.dumps(value) for value in values] for values in search.space.values()]
    rows = [dict(zip(search.space, row, strict=True)) for row in itertools.product(*texts)]
    return random.Random(0).sample(rows, search.size - 1)


def _requeue_interrupted(study: "optuna.Study") -> None:
    """Ask first for what a stopped process was running; its run goes on where it was."""
    states = _optuna().trial.TrialState
    for trial in study.get_trials(states=(states.RUNNING,)):
        study.tell(trial.number, state=states.FAIL)
        study.enqueue_trial(trial.params)


def _distributions(search: Search) -> dict[str, Any]:
    """Ranges as they are; lists by the text of their values, which may themselves be lists."""
    optuna = _optuna()
    return {
        name: optuna.distributions.FloatDistribution(v.low, v.high, log=v.scale == "log")
        if isinstance(v, Range)
        else optuna.distributions.CategoricalDistribution([json.dumps(value) for value in v])
        for name, v in search.space.items()
    }


def _value(search: Search, name: str, value: Any) -> Any:
    return value if isinstance(search.space[name], Range) else json.loads(value)


def _trial(ended: Any) -> Trial:
    attributes = ended.user_attrs
    return Trial(attributes["settings"], attributes["status"], ended.value)


def _tell(study: "optuna.Study", proposal: Any, objective: float | None) -> None:
    states = _optuna().trial.TrialState
    if objective is None:
        study.tell(proposal, state=states.PRUNED)
    else:
        study.tell(proposal, objective)


def best(trials: list[Trial]) -> Trial | None:
    """The trial of smallest objective, the first of equals; None where none has one."""
    sound = [t for t in trials if t.objective is not None]
    return min(sound, key=lambda t: t.objective or 0.0, default=None)


def edges(space: Mapping[str, Any], trials: list[Trial]) -> Iterator[str]:
    """Warnings where the best is the smallest or largest number of a list."""
    top = best(trials)
    equal = [t for t in trials if top and t.objective == top.objective]
    for name, values in space.items():
        for value in _ends(values):
            if any(t.settings.get(name) == value for t in equal):
                yield f"{name}={value} is at the end of what was tried; the best may lie beyond"


def _ends(values: Any) -> tuple[float, ...]:
    """The smallest and largest of a list of numbers; nothing of anything else."""
    if not isinstance(values, list) or len(values) < 2:
        return ()
    return (min(values), max(values)) if all(type(v) in (int, float) for v in values) else ()


def line(trial: Trial | None) -> str:
    """A trial in a line."""
    if trial is None:
        return "none"
    value = trial.status if trial.objective is None else f"{trial.objective:.5g}"
    settings = ", ".join(f"{k.partition('.')[2] or k}={v}" for k, v in trial.settings.items())
    return f"{value} ({settings or 'as it was'})"
