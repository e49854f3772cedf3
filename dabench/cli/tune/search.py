"""A search for settings: Optuna proposes them, dabench runs them, a journal on disk remembers.

The baseline as it is comes first. Lists alone make a grid, tried in random order; with a range
among them Optuna's tree-structured Parzen estimator proposes. A budget of denoiser evaluations, the
same for all methods, ends the search. Proposals depend on the trials before them and their number
alone, so a search that was stopped goes on as if it had not been.
"""

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dabench.cli.sweep.spec import Point, Range
from dabench.cli.tune.space import DIGITS, End, Space, ends, grown, in_words
from dabench.core.digest import sha256
from dabench.core.errors import UserError
from dabench.scores.headlines import REFERENCE

if TYPE_CHECKING:
    import optuna

    from dabench.runs.execute import Job

JOURNAL = "trials.log"
SHARES = 0.5, 0.25, 0.1  # of its length by which a range grows: the first that is possible


class Outcome(NamedTuple):
    """How a run ended.

    Arguments:
        status: Status of the run, or why it was refused.
        objective: The smaller the better; None where the run diverged or was refused.
        evaluations: Denoiser evaluations of all members and cycles, see `objective.evaluations`.
    """

    status: str
    objective: float | None
    evaluations: float


Run = Callable[["Job"], Outcome]


class Trial(NamedTuple):
    """What came of one choice of settings.

    Arguments:
        settings: Searched settings and their values; empty for the baseline as it is.
        status, objective: As in `Outcome`.
        evaluations: What the trial took; nothing where one before it had the same settings.
    """

    settings: dict[str, Any]
    status: str
    objective: float | None
    evaluations: float = 0.0


class Search(NamedTuple):
    """What is searched for: a scenario's method, on a period, over a space.

    Arguments:
        period: Changes of the scenario that lead to the period to tune on, see `period.values`.
        space: Lists and ranges of values by the name of the setting, see `space.space`.
        most: Number of trials, the baseline's among them.
        budget: Denoiser evaluations of all members and cycles after which no trial begins; None:
            any number.
    """

    scenario: str
    method: str
    period: Mapping[str, Any]
    space: Space
    most: int
    budget: int | None = None

    @property
    def size(self) -> int:
        """Number of trials: no more than there are combinations, where all values are listed."""
        lists = [values for values in self.space.values() if isinstance(values, list)]
        return self.most if self.has_ranges else min(self.most, 1 + math.prod(map(len, lists)))

    @property
    def has_ranges(self) -> bool:
        return any(isinstance(values, Range) for values in self.space.values())

    def random_trials(self, first: Trial) -> int:
        """Number of trials that are drawn at random: a third of those that the budget allows."""
        affordable = math.inf
        if self.budget is not None and first.evaluations:
            affordable = self.budget / first.evaluations
        return max(4, int(min(self.most, affordable)) // 3)

    def is_over(self, ended: Sequence[Trial]) -> bool:
        """Whether all trials are made, or the budget is spent."""
        spent = self.budget is not None and spent_by(ended) >= self.budget
        return spent or len(ended) >= self.size

    def check(self) -> None:
        """UserError where the method does not take one of the settings, before anything runs."""
        for name, values in self.space.items():
            for value in _limits(values) if isinstance(values, Range) else values:
                self.job({name: value}, Path())

    def takes(self, settings: Mapping[str, Any]) -> bool:
        """Whether the method takes some settings."""
        try:
            self.job(settings, Path())
        except UserError:
            return False
        return True

    def start(self) -> dict[str, Any]:
        """The values that the baseline as it is has for the searched settings."""
        baseline = self.job({}, Path()).baseline
        everything = {"members": baseline.members, "filter": baseline.settings}
        return {name: _get(everything, name) for name in self.space}

    def reference(self, home: Path) -> "Job":
        """The run of the free ensemble on the same period."""
        return self._replace(method=REFERENCE).job({}, home)

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


def _get(data: Any, path: str) -> Any:
    """What stands at a dotted path of plain data; None where there is nothing."""
    for key in path.split("."):
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _limits(values: Range) -> tuple[float, ...]:
    """Both ends of a range; whole numbers where it has these alone."""
    limits = values.low, values.high
    return tuple(map(int, limits)) if values.scale == "whole" else limits


def trials(search: Search, home: Path, about: Mapping[str, Any], run: Run) -> Iterator[Trial]:
    """All trials of a search, those of an earlier call from its journal.

    A range grows where the best so far lies at its end, so the last proposals may lie beyond it.

    Arguments:
        home: Folder of runs and journal.
        about: What trials share that may be compared: the scenario and the metric.
    """
    first = search.job({}, home)
    ended = [Trial({}, *run(first))]
    yield ended[0]
    study = _study(home / JOURNAL, search, dict(about) | {"baseline": first.baseline.digest})
    _requeue_interrupted(study)
    states = _optuna().trial.TrialState
    earlier = iter(study.get_trials(states=(states.COMPLETE, states.PRUNED)))
    space = search.space
    while not search.is_over(ended):
        if len(ended) >= search.random_trials(ended[0]):
            space = widened(search, space, ended)
        remembered = next(earlier, None)
        if remembered is not None:
            trial = _trial(remembered)
        else:
            trial = _next_trial(search._replace(space=space), study, ended, home, run)
        ended.append(trial)
        yield trial


def _next_trial(
    search: Search, study: "optuna.Study", ended: Sequence[Trial], home: Path, run: Run
) -> Trial:
    """The trial that Optuna proposes after others, made and told."""
    study.sampler = _optuna().samplers.TPESampler(
        seed=len(ended), n_startup_trials=search.random_trials(ended[0])
    )
    proposal = study.ask(_distributions(search.space))
    settings = {name: _value(search.space[name], v) for name, v in proposal.params.items()}
    status, objective, evaluations = run(search.job(settings, home))
    if any(settings == trial.settings for trial in ended):
        evaluations = 0.0  # the run was there already
    trial = Trial(settings, status, objective, evaluations)
    for name in ("settings", "status", "evaluations"):
        proposal.set_user_attr(name, getattr(trial, name))
    _tell(study, proposal, objective)
    return trial


def widened(search: Search, space: Space, ended: Sequence[Trial]) -> Space:
    """The space with every range grown that the best trial lies at the end of.

    A range does not grow beyond what the method takes.
    """
    new = dict(space)
    for end in ends(space, _values_of_best(search, ended)):
        new[end.name] = _beyond(search, new[end.name], end) or new[end.name]
    return new


def _beyond(search: Search, values: Range | list[Any], end: End) -> Range | None:
    """A range that goes on beyond an end as far as the method lets it; None where it cannot."""
    if isinstance(values, list):
        return None
    ranges = (grown(values, end, share) for share in SHARES)
    limit = 0 if end.low else 1
    return next((r for r in ranges if search.takes({end.name: _limits(r)[limit]})), None)


def final_space(search: Search, ended: Sequence[Trial]) -> Space:
    """The space as it is after all trials."""
    space, first = search.space, search.random_trials(ended[0])
    for n in range(first, len(ended) + 1):
        space = widened(search, space, ended[:n])
    return space


def _values_of_best(search: Search, ended: Sequence[Trial]) -> dict[str, Any]:
    """The searched settings of the best trial; the baseline's own where it is that as it was."""
    top = best(ended)
    return {} if top is None else search.start() | top.settings


def edges(search: Search, ended: Sequence[Trial]) -> Iterator[str]:
    """Warnings where the best lies at an end of a list, or of a range that could still grow."""
    space = final_space(search, ended)
    for end in ends(space, _values_of_best(search, ended)):
        if isinstance(space[end.name], list) or _beyond(search, space[end.name], end):
            yield f"{end.name}={end.value} is at the end of what was tried; the best may lie beyond"


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

    values = {name: in_words(values) for name, values in search.space.items()}
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


def _distributions(space: Space) -> dict[str, Any]:
    """Ranges as they are; lists by the text of their values, which may themselves be lists."""
    return {name: _distribution(values) for name, values in space.items()}


def _distribution(values: Range | list[Any]) -> Any:
    kinds = _optuna().distributions
    if isinstance(values, list):
        return kinds.CategoricalDistribution([json.dumps(value) for value in values])
    if values.scale == "whole":
        return kinds.IntDistribution(*_limits(values))
    return kinds.FloatDistribution(values.low, values.high, log=values.scale == "log")


def _value(values: Range | list[Any], proposed: Any) -> Any:
    """A proposed value as the method takes it: few digits of a number, the value of a text."""
    if isinstance(values, list):
        return json.loads(proposed)
    if values.scale == "whole":
        return proposed
    return min(max(float(f"{proposed:.{DIGITS}g}"), values.low), values.high)


def _trial(ended: Any) -> Trial:
    attributes = ended.user_attrs
    return Trial(
        attributes["settings"], attributes["status"], ended.value, attributes["evaluations"]
    )


def _tell(study: "optuna.Study", proposal: Any, objective: float | None) -> None:
    states = _optuna().trial.TrialState
    if objective is None:
        study.tell(proposal, state=states.PRUNED)
    else:
        study.tell(proposal, objective)


def best(trials: Sequence[Trial]) -> Trial | None:
    """The trial of smallest objective, the first of equals; None where none has one."""
    sound = [t for t in trials if t.objective is not None]
    return min(sound, key=lambda t: t.objective or 0.0, default=None)


def spent_by(trials: Sequence[Trial]) -> float:
    """Denoiser evaluations of all trials."""
    return sum(t.evaluations for t in trials)


def line(trial: Trial | None) -> str:
    """A trial in a line."""
    if trial is None:
        return "none"
    value = trial.status if trial.objective is None else f"{trial.objective:.5g}"
    settings = ", ".join(f"{k.partition('.')[2] or k}={v}" for k, v in trial.settings.items())
    return f"{value} ({settings or 'as it was'})"
