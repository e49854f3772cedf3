"""`dabench tune`: search, and write the baseline with how it was found."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dabench.cli.tune import period, trials
from dabench.cli.tune.objective import METRICS
from dabench.cli.tune.trials import LOG, Log, Trial
from dabench.core.errors import UserError
from dabench.core.files import replace
from dabench.core.provenance import commit
from dabench.scenario import yamlfile
from dabench.scenario.baseline import check, file_of
from dabench.scenario.load import load_scenario
from dabench.scenario.scenario import Scenario

EXAMPLE = "--set rtps=0.1..0.9, --set members=16,32"
UNTUNED = "; not tuned here"
BEST = ", and the best of those tried here, see tuned"
"""What the reference of a baseline says before and after a search that changes none of it."""


def tune(
    scenario: str,
    method: str,
    *,
    changes: Sequence[str],
    most: int = 20,
    seconds: float | None = None,
    metric: str = METRICS[0],
    seed: int = period.FIRST_SEED,
    cycles: int | None = None,
    offset: int | None = None,
    start: str | None = None,
    out: Path = Path("runs/tune"),
    write: Path | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Try settings, and write the baseline with the best of them; returns its file.

    Arguments:
        changes: `key=a,b,c` or `key=low..high`, see `trials.space`.
        most: Trials, the baseline as it is among them.
        seconds: No trial begins later.
        metric: What the objective averages over variables and levels; see `objective`.
        seed, cycles, offset, start: Of the period to tune on; see `period.values`.
        out: Where trials are kept; the same command goes on with them.
        write: The file; by default the scenario's own in the folder `baselines`.
    """
    if metric not in METRICS:
        raise UserError(f"--metric {metric}: is not one of {', '.join(METRICS)}")
    if not changes:
        raise UserError(f"--set: say what to try, such as {EXAMPLE}; may be repeated")
    problem = load_scenario(scenario)
    when = period.values(problem, seed=seed, cycles=cycles, offset=offset, start=start)
    period.check_apart(problem, when)
    search = trials.space(changes)
    found = trials.candidates(scenario, method, when, search, most)
    home = out / problem.name / method
    about = {"scenario": problem.digest, "metric": metric}
    made = trials.run(found, home, Log(home / LOG, about), metric, seconds, say)
    winner = trials.best(made)
    if winner is None:
        raise UserError(f"no trial has a score: {trials.shown(made[0]) if made else 'none ended'}")
    for edge in trials.edges(search, made):
        say(edge)
    path = write or Path("baselines", problem.name, f"{method}.yaml")
    text = yamlfile.dump(_content(problem, method, winner, made, about | {"period": when}))
    check(yamlfile.parse(text, str(path)))
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text.encode())
    return path


def _content(
    problem: Scenario, method: str, winner: Trial, made: Sequence[Trial], about: dict[str, Any]
) -> dict[str, Any]:
    """The baseline's file: what it held, with the settings of the best trial, and the trials."""
    content: dict[str, Any] = dict(yamlfile.read(file_of(method, problem.name)).data)
    for name, value in winner.settings.items():
        _put(content, name, value)
    if winner.settings:
        content["reference"] = "Found by `dabench tune`, see tuned"
    elif "reference" in content:
        content["reference"] = content["reference"].replace(UNTUNED, BEST)
    ours = {name.partition(".")[2]: value for name, value in about["period"].items()}
    content["tuned"] = {
        "metric": f"{about['metric']} over climatological standard deviation, all variables",
        "period": ours,
        "scenario": about["scenario"],
        "commit": commit() or "unknown",
        "best": _rounded(winner.objective),
        "trials": [
            {"objective": _rounded(t.objective), "status": t.status, "settings": t.settings}
            for t in made
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
    return None if value is None else float(f"{value:.5g}")
