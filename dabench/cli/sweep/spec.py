"""What a sweep is: a scenario, methods, and settings to vary, read from YAML; and its points."""

import itertools
import json
import math
import random
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dabench.core.digest import sha256
from dabench.core.errors import UserError
from dabench.leaderboard.format import title
from dabench.runs.execute import Job
from dabench.runs.experiment import Experiment
from dabench.scenario import yamlfile
from dabench.scenario.baseline import load_baseline
from dabench.scenario.load import load_scenario, with_changes
from dabench.scenario.locations import Count
from dabench.scenario.validate import InputProblem, Strict, report, validate
from dabench.scenario.yamlfile import Document

MOST = 100_000
Scalar = str | bool | int | float | None
Value = Scalar | list[Any] | dict[str, Any]


class Range(Strict):
    """Numbers for a random search.

    Arguments:
        low, high: The limits.
        scale: `linear`; `log` for equal shares of every factor; or `whole` for whole numbers.
    """

    low: float
    high: float
    scale: Literal["linear", "log", "whole"] = "linear"

    @model_validator(mode="after")
    def _is_a_range(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"low {self.low:g} must be above 0 on a log scale")
        if self.scale == "whole" and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"{self.low:g} and {self.high:g} must be whole numbers")
        return self

    def draw(self, rng: random.Random) -> float:
        if self.scale == "linear":
            return rng.uniform(self.low, self.high)
        if self.scale == "whole":
            return rng.randint(int(self.low), int(self.high))
        return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))


class Search(Strict):
    """A random search in place of the whole grid.

    Arguments:
        runs: How many points to draw for each method.
        seed: Seed of the draws.
    """

    runs: Count
    seed: int = 0


class ScoreTarget(Strict):
    """The score to report.

    Arguments:
        metric: rmse, crps, mae, ..
        variable, level: The cell that is scored; by default the first headline of the system.
    """

    metric: str = "rmse"
    variable: str | None = None
    level: float | None = None

    @property
    def label(self) -> str:
        """Heading of figures and tables."""
        where = "" if self.variable is None else f", {title(self.variable, self.level)}"
        return self.metric + where


class Sweep(Strict):
    """What a sweep's file holds.

    Arguments:
        scenario: Name or path.
        methods: Names of baselines.
        vary: Values of each setting: `members`, `filter.<setting>` or `scenario.<path>` (such as
            `scenario.seed`, `scenario.period.cycles`, `scenario.observations.0.error_std`); a list,
            or, for a random search, a range.
        random: Draw points at random; without it all combinations are run.
        score: What the report shows.
    """

    scenario: str
    methods: Annotated[tuple[str, ...], Field(min_length=1)]
    vary: Annotated[
        dict[str, Range | Annotated[list[Value], Field(min_length=1)]], Field(min_length=1)
    ]
    random: Search | None = None
    score: ScoreTarget = ScoreTarget()


class Point(Strict):
    """One run: a method and the values of all settings that vary."""

    scenario: str
    method: str
    values: dict[str, Value]

    @property
    def digest(self) -> str:
        """Names the run's folder; the same for the same settings in another sweep file."""
        return sha256(self.plain())[:12]

    def plain(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    def job(self, out: Path) -> Job:
        """The run, ready to be started; UserError where its settings are wrong."""
        changes = {k: v for k, v in self.values.items() if k.startswith("scenario.")}
        scenario = with_changes(
            load_scenario(self.scenario), {k.partition(".")[2]: v for k, v in changes.items()}
        )
        settings = [
            f"{k.partition('.')[2]}={json.dumps(v)}"
            for k, v in self.values.items()
            if k.startswith("filter.")
        ]
        members: Any = self.values.get("members")
        baseline = load_baseline(self.method, scenario, settings, members=members)
        folder = out / "runs" / self.method / self.digest / f"seed{scenario.seed}"
        return Job(Experiment(scenario), self.method, baseline, folder)


def load(path: Path) -> Sweep:
    """A sweep from its file; UserError with every problem it has."""
    document = yamlfile.read(path)
    sweep, problems = validate(Sweep, document.data)
    problems = problems or _wrong_settings(document)
    if sweep is None or problems:
        raise report(document, problems)
    if Path(sweep.scenario).is_file():  # a worker may be elsewhere
        return sweep.model_copy(update={"scenario": str(Path(sweep.scenario).absolute())})
    return sweep


def _wrong_settings(document: Document) -> list[InputProblem]:
    """Names of settings that are none, and ranges where a list is needed."""
    prefixes, problems = ("filter.", "scenario."), []
    for name, values in document.data["vary"].items():
        if name != "members" and not str(name).startswith(prefixes):
            text = "is neither members, nor filter.<setting>, nor scenario.<path>"
            problems.append(InputProblem(("vary", name), text))
        if isinstance(values, dict) and not document.data.get("random"):
            problems.append(
                InputProblem(("vary", name), "a range needs `random: {runs: ..}`; give a list")
            )
    return problems


def points(sweep: Sweep) -> list[Point]:
    """All runs of a sweep, each once, in the order of the file; UserError if they are too many."""
    names = list(sweep.vary)
    if sweep.random is None:
        lists = [values for values in sweep.vary.values() if isinstance(values, list)]
        if (count := math.prod(map(len, lists)) * len(sweep.methods)) > MOST:
            raise UserError(f"the sweep has {count} runs; {MOST} is the limit")
        rows = list(itertools.product(*lists))
    else:
        rng = random.Random(sweep.random.seed)
        rows = [
            [v.draw(rng) if isinstance(v, Range) else rng.choice(v) for v in sweep.vary.values()]
            for _ in range(sweep.random.runs)
        ]
    every = [
        Point(scenario=sweep.scenario, method=m, values=dict(zip(names, row, strict=True)))
        for m in sweep.methods
        for row in rows
    ]
    return list({point.digest: point for point in every}.values())
