"""`dabench tune`: search for settings, and write the baseline with how they were found."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dabench.core.errors import UserError

if TYPE_CHECKING:
    from dabench.cli.tune.search import Run, Search, Trial
    from dabench.runs.execute import Job
    from dabench.scenario.scenario import Scenario

EXAMPLE = "--set rtps=0.1..0.9, --set members=16,32"
UNTUNED = "; not tuned here"
BEST = ", and the best of those tried here, see tuned"
"""What the reference of a baseline says before and after a search that changes none of it."""


def tune(
    scenario: Annotated[str, typer.Argument(help="A scenario's path or name.")],
    method: Annotated[str, typer.Argument(help="The method's name.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=A,B,C", help="Values to try, or KEY=LOW..HIGH; may be repeated."
        ),
    ] = None,
    most: Annotated[int, typer.Option("--trials", min=1, help="Most trials to make.")] = 20,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="No trial begins later than this.")
    ] = None,
    metric: Annotated[
        str, typer.Option(help="crps or rmse, in climatological standard deviations.")
    ] = "crps",
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
    from dabench.cli.tune.search import Search, best, edges, line, space
    from dabench.scenario.load import load_scenario

    if metric not in METRICS:
        raise UserError(f"--metric {metric}: is not one of {', '.join(METRICS)}")
    if not changes:
        raise UserError(f"--set: say what to try, such as {EXAMPLE}; may be repeated")
    problem = load_scenario(scenario)
    when = period.values(problem, seed=seed, cycles=cycles, offset=offset, start=start)
    period.check_apart(problem, when)
    search = Search(scenario, method, when, space(changes), most)
    search.check()
    about = {"scenario": problem.digest, "metric": metric}
    trials = _trials(search, out / problem.name / method, about, seconds)
    winner = best(trials)
    if winner is None:
        raise UserError(f"no trial has a score: {line(trials[0]) if trials else 'none ended'}")
    for warning in edges(search.space, trials):
        typer.echo(warning)
    content = _content(problem, method, winner, trials, about | {"period": when})
    file = _write(content, write or Path("baselines", problem.name, f"{method}.yaml"))
    typer.echo(f"baseline  {file}")
    typer.echo(f"next      dabench run {shlex.quote(scenario)} -m {shlex.quote(method)}")
    return file


def _trials(
    search: "Search", home: Path, about: dict[str, Any], seconds: float | None
) -> list["Trial"]:
    """All trials that begin in time, each told as it ends."""
    from dabench.cli.tune.search import best, line, trials

    begin, ended = time.monotonic(), []
    proposals = trials(search, home, about, _objective(about["metric"]))
    try:
        while seconds is None or time.monotonic() - begin <= seconds:
            if (trial := next(proposals, None)) is None:
                return ended
            ended.append(trial)
            typer.echo(f"{len(ended)}/{search.size} {line(trial)}; best {line(best(ended))}")
    except KeyboardInterrupt:
        typer.echo("\nStopped; trials are kept, and the same command goes on with them.", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{seconds:g} s are over after {len(ended)} of {search.size} trials")
    return ended


def _objective(metric: str) -> "Run":
    """A function that runs a job and returns its status and objective."""

    from dabench.cli.tune.objective import climate_std, objective
    from dabench.scores.files import ensure_scores

    scale: dict[Any, float] = {}

    def run(job: "Job") -> tuple[str, float | None]:
        if not scale:  # the system is the same in all trials
            scale.update(climate_std(job.experiment.system))
        try:
            status = job.run()
        except UserError as e:
            return f"refused: {e}", None
        return str(status), objective(ensure_scores(job.folder), scale, metric)

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
    method: str,
    winner: "Trial",
    trials: Sequence["Trial"],
    about: dict[str, Any],
) -> dict[str, Any]:
    """The baseline's file: what it held, with the settings of the best trial, and the trials."""
    from dabench.core.provenance import commit
    from dabench.scenario import yamlfile
    from dabench.scenario.baseline import file_of

    content: dict[str, Any] = dict(yamlfile.read(file_of(method, problem.name)).data)
    for name, value in winner.settings.items():
        _put(content, name, value)
    if winner.settings:
        content["reference"] = "Found by `dabench tune`, see tuned"
    elif "reference" in content:
        content["reference"] = content["reference"].replace(UNTUNED, BEST)
    content["tuned"] = {
        "metric": f"{about['metric']} over climatological standard deviation, all variables",
        "period": {name.partition(".")[2]: value for name, value in about["period"].items()},
        "scenario": about["scenario"],
        "commit": commit() or "unknown",
        "best": _rounded(winner.objective),
        "trials": [
            {"objective": _rounded(t.objective), "status": t.status, "settings": t.settings}
            for t in trials
        ],
    }
    return content


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
