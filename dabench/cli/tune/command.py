"""`dabench tune`: search for settings, and write the baseline with how they were found."""

import shlex
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dabench.core.errors import UserError

if TYPE_CHECKING:
    from dabench.cli.tune.search import Run, Search, Trial
    from dabench.cli.tune.space import Space
    from dabench.runs.execute import Job
    from dabench.scenario.scenario import Scenario
    from dabench.scores.record import Scores

MOST, MOST_IN_BUDGET = 20, 100
"""Numbers of trials without and with a budget."""
UNTUNED = "; not tuned here"
BEST = ", and the best of those tried here, see tuned"
"""What the reference of a baseline says before and after a search that changes none of it."""


def tune(
    scenario: Annotated[str, typer.Argument(help="A scenario's path or name.")],
    method: Annotated[str, typer.Argument(help="The method's name.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=A,B,C",
            help="Values to try, or KEY=LOW..HIGH; may be repeated. Default: what the method "
            "declares.",
        ),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="No trial begins once all have taken so many denoiser evaluations, over members "
            "and cycles; a Jacobian product counts as two.",
        ),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Most trials; default 20, with a budget 100."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="No trial begins later than this.")
    ] = None,
    metric: Annotated[str, typer.Option(help="crps or rmse, over the free ensemble's.")] = "crps",
    seed: Annotated[int, typer.Option(help="1000 or more: smaller ones are scored.")] = 1000,
    cycles: Annotated[int | None, typer.Option(min=1, help="Number of cycles.")] = None,
    offset: Annotated[
        int | None, typer.Option(min=0, help="Where the period to tune on begins, in cycles.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="The same as ISO time.")] = None,
    out: Annotated[Path, typer.Option(help="Where trials are kept.")] = Path("runs/tune"),
    write: Annotated[
        Path | None, typer.Option(help="File to write; default baselines/SCENARIO/METHOD.yaml.")
    ] = None,
) -> Path:
    """Find a method's settings on a period that the scenario does not score; write its baseline."""
    from dabench.cli.tune import period
    from dabench.cli.tune.objective import METRICS
    from dabench.cli.tune.search import Search, best, edges, line
    from dabench.scenario.load import load_scenario

    if metric not in METRICS:
        raise UserError(f"--metric {metric}: is not one of {', '.join(METRICS)}")
    problem = load_scenario(scenario)
    when = period.values(problem, seed=seed, cycles=cycles, offset=offset, start=start)
    period.check_apart(problem, when)
    tried = _space(problem, method, changes)
    most = most or (MOST if budget is None else MOST_IN_BUDGET)
    search = Search(scenario, method, when, tried, most, budget)
    search.check()
    trials = _trials(search, out / problem.name, metric, seconds)
    winner = best(trials)
    if winner is None:
        raise UserError(f"no trial has a score: {line(trials[0]) if trials else 'none ended'}")
    for warning in edges(search, trials):
        typer.echo(warning)
    content = _content(problem, search, winner, trials, metric)
    file = _write(content, write or Path("baselines", problem.name, f"{method}.yaml"))
    typer.echo(f"baseline  {file}")
    typer.echo(f"next      dabench run {shlex.quote(scenario)} -m {shlex.quote(method)}")
    return file


def _space(problem: "Scenario", method: str, changes: Sequence[str] | None) -> "Space":
    """What to try: what the user says, or what the method's module declares."""
    from dabench.cli.tune.space import declared, space
    from dabench.scenario.baseline import load_baseline

    if changes:
        return space(list(changes))
    from dabench.systems import make

    return declared(load_baseline(method, problem).filter, make.layout(problem))


def _trials(search: "Search", home: Path, metric: str, seconds: float | None) -> list["Trial"]:
    """All trials that begin in time, each told as it ends.

    Arguments:
        home: Folder of all searches on the scenario.
    """
    from dabench.cli.tune.objective import IN_WORDS
    from dabench.cli.tune.search import trials
    from dabench.scenario.load import load_scenario
    from dabench.scores.headlines import REFERENCE

    begin, ended = time.monotonic(), []
    about = {"scenario": load_scenario(search.scenario).digest, "metric": f"{metric} {IN_WORDS}"}
    run = _objective(search, home / REFERENCE, metric)
    proposals = trials(search, home / search.method, about, run)
    try:
        while seconds is None or time.monotonic() - begin <= seconds:
            if (trial := next(proposals, None)) is None:
                return ended
            ended.append(trial)
            typer.echo(_progress(search, ended))
    except KeyboardInterrupt:
        typer.echo("\nStopped; trials are kept, and the same command goes on with them.", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{seconds:g} s are over after {len(ended)} of {search.size} trials")
    return ended


def _progress(search: "Search", ended: Sequence["Trial"]) -> str:
    """The last trial in a line, with how far the search is and the best so far."""
    from dabench.cli.tune.search import best, line, spent_by

    done = f"{len(ended)}/{search.size}"
    if search.budget is not None:
        done = f"{len(ended)}, {spent_by(ended) / search.budget:.0%} of the budget:"
    return f"{done} {line(ended[-1])}; best {line(best(ended))}"


def _objective(search: "Search", home: Path, metric: str) -> "Run":
    """A function that runs a job and returns its status, objective and cost.

    Arguments:
        home: Folder of the free ensemble's runs, which all methods share.
    """
    from dabench.cli.tune.objective import evaluations, objective
    from dabench.cli.tune.search import Outcome
    from dabench.runs.archive import read
    from dabench.scores.files import ensure_scores

    def scores_of(job: "Job") -> "Scores":
        if read.ended(job.folder) is None:
            job.run(store_members=False)
        return ensure_scores(job.folder)

    @cache
    def reference() -> "Scores":
        scores = scores_of(search.reference(home))
        if not scores.status.complete:
            raise UserError(f"the free ensemble, which trials are held to: {scores.status}")
        return scores

    def run(job: "Job") -> Outcome:
        reference()
        try:
            scores = scores_of(job)
        except UserError as e:
            return Outcome(f"refused: {e}", None, 0.0)
        value = objective(scores, reference(), metric)
        return Outcome(str(scores.status), value, evaluations(scores))

    return run


def _write(content: dict[str, Any], file: Path) -> Path:
    """A baseline's file, checked before it takes the place of an older one."""
    from dabench.core.files import replace
    from dabench.scenario import yamlfile
    from dabench.scenario.baseline import check

    text = yamlfile.dump(content)
    check(yamlfile.parse(text, str(file)))
    file.parent.mkdir(parents=True, exist_ok=True)
    replace(file, text.encode())
    return file


def _content(
    problem: "Scenario",
    search: "Search",
    winner: "Trial",
    trials: Sequence["Trial"],
    metric: str,
) -> dict[str, Any]:
    """The baseline's file: what it held, with the settings of the best trial, and the trials."""
    from dabench.scenario import yamlfile
    from dabench.scenario.baseline import file_of

    content: dict[str, Any] = dict(yamlfile.read(file_of(search.method, problem.name)).data)
    for name, value in winner.settings.items():
        _put(content, name, value)
    if winner.settings:
        content["reference"] = "Found by `dabench tune`, see tuned"
    elif "reference" in content:
        content["reference"] = content["reference"].replace(UNTUNED, BEST)
    content["tuned"] = _log(problem, search, trials, metric) | {
        "best": _rounded(winner.objective),
        "trials": [
            {
                "objective": _rounded(t.objective),
                "status": t.status,
                "evaluations": round(t.evaluations),
                "settings": t.settings,
            }
            for t in trials
        ],
    }
    return content


def _log(
    problem: "Scenario", search: "Search", trials: Sequence["Trial"], metric: str
) -> dict[str, Any]:
    """What a search was and what it took."""
    from dabench.cli.tune.objective import IN_WORDS
    from dabench.cli.tune.search import final_space, spent_by
    from dabench.cli.tune.space import in_words
    from dabench.core.provenance import commit

    tried = final_space(search, trials)
    return {
        "metric": f"{metric} {IN_WORDS}",
        "period": {name.partition(".")[2]: value for name, value in search.period.items()},
        "scenario": problem.digest,
        "commit": commit() or "unknown",
        "space": {name: in_words(values) for name, values in tried.items()},
        "evaluations": round(spent_by(trials)),
    } | ({} if search.budget is None else {"budget": search.budget})


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    """Set what stands at a dotted path."""
    *parents, last = path.split(".")
    for key in parents:
        data[key] = dict(data.get(key) or {})
        data = data[key]
    data[last] = value


def _rounded(value: float | None) -> float | None:
    """A number with five digits."""
    return None if value is None else float(f"{value:.5g}")
