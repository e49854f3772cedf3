"""Scores of the forecasts from a run's analyses by lead time, from their archive alone.

The archive of a forecast ───┐
                             ├──► Forecast ──► tables, figures, pages
a result with forecasts ─────┘
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dabench.core import files
from dabench.core.errors import UserError
from dabench.runs.archive import read
from dabench.scores.cycles import fields, weights_of
from dabench.scores.metrics.registry import BY_NAME
from dabench.scores.record import GLOBAL, Cell, Key, Scores, Series, Variable, finite
from dabench.scores.time_means import cells, headline

FILE = "scores.csv"
PUBLISHED = ("rmse", "crps", "spread", "spread_skill")
"""Metrics that results have."""
UNITS = "days", "cycles"
"""What leads are counted in: days on the sphere, else cycles."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """The scores of the forecasts from one run.

    Arguments:
        scenario: Content of the scenario.
        method: Name of the method whose analyses are forecast from.
        seed: Seed of the run.
        variables: The variables of the state by name.
        starts: Cycles that forecasts start from.
        unit: What leads are counted in, one of `UNITS`.
        leads: Lead times; the first is 0.
        scores: Scores over all starts by lead.
    """

    scenario: Mapping[str, Any]
    method: str
    seed: int
    variables: Mapping[str, Variable]
    starts: Sequence[int]
    unit: str
    leads: Series
    scores: Mapping[Key, Series]

    @classmethod
    def of(cls, run: Scores) -> "Forecast | None":
        """The forecasts that a result has; None if it has none."""
        data = run.forecasts
        if data is None:
            return None
        scores = {
            Key(row["variable"], row["level"], GLOBAL, row["metric"]): np.array(
                row["values"], float
            )
            for row in data["scores"]
        }
        leads = np.array(data["leads"], float)
        about = run.scenario, run.method, run.seed, run.variables, tuple(data["starts"])
        return cls(*about, data["unit"], leads, scores)

    def plain(self) -> dict[str, Any]:
        """The scores of the globe as a result has them; the inverse of `of`."""
        return {
            "starts": list(self.starts),
            "unit": self.unit,
            "leads": self.leads.tolist(),
            "scores": [
                {"variable": key.variable, "level": key.level, "metric": key.metric}
                | {"values": [None if np.isnan(v) else v for v in finite(values).tolist()]}
                for key, values in self.scores.items()
                if key.region == GLOBAL and key.metric in PUBLISHED
            ],
        }

    def series(self, cell: Cell, metric: str) -> Series:
        """A score of the globe at every lead; NaN where there is none."""
        return self.scores.get(Key(*cell, GLOBAL, metric), np.full(len(self.leads), np.nan))


def score_forecast(folder: Path) -> Forecast:
    """The scores of a forecast, with the metrics of runs, over all its starts; writes `scores.csv`.

    Arguments:
        folder: Folder of the forecast, `<run>/lead<L>_every<n>.forecast`.
    Raises: UserError where it is not complete.
    """
    forecast = scored(folder)
    files.replace(folder / FILE, tidy(forecast).to_csv(index=False).encode())
    return forecast


def plain_of(run: str | Path) -> dict[str, Any] | None:
    """What a result keeps of the forecasts from a run; None without any that are complete.

    The longest ones are taken, and of these those with the most starts.

    Arguments:
        run: Folder of the run.
    """
    folders = [f for f in Path(run).glob("*.forecast") if str(read.ended(f)) == "complete"]
    attributes = {folder: read.attributes(folder) or {} for folder in folders}
    if not folders:
        return None
    longest = max(folders, key=lambda f: (attributes[f]["leads"], len(attributes[f]["starts"])))
    every = attributes[longest]["identity"]["every"]
    return scored(longest).plain() | {"every": every}


def scored(folder: Path) -> Forecast:
    """The scores of a forecast, without writing anything; UserError where it is not complete."""
    tree = read.open_run(folder)
    if tree.attrs["status"] != "complete":
        raise UserError(f"{folder}: is not complete; the same `dabench forecast` goes on with it")
    truth = tree["truth"].to_dataset()
    leads = range(tree.attrs["leads"] + 1)
    by_lead = [_scores(tree, lead) for lead in leads]
    on_sphere = "latitude" in truth.dims
    a_unit = 86400 / tree.attrs["cycle_seconds"] if on_sphere else 1
    return Forecast(
        scenario=tree.attrs["scenario"],
        method=tree.attrs["method"],
        seed=tree.attrs["seed"],
        variables=_variables(truth),
        starts=tree.attrs["starts"],
        unit=UNITS[0] if on_sphere else UNITS[1],
        leads=np.arange(len(leads)) / a_unit,
        scores={key: np.array([row[key] for row in by_lead]) for key in by_lead[0]},
    )


def _scores(tree: xr.DataTree, lead: int) -> dict[Key, float]:
    """All scores at one lead, the starts taking the place of cycles."""
    records = slice(lead, None, tree.attrs["leads"] + 1)
    groups = {name: node.to_dataset().isel(cycle=records) for name, node in tree.children.items()}
    part = xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs), **groups})
    weights, size = weights_of(groups["truth"]), int(tree.attrs["members"])
    scores = {}
    with np.errstate(invalid="ignore", over="ignore"):  # forecasts that diverged have no scores
        for name, values in fields(part, weights).items():
            for metric, estimate in headline(values.transpose(..., "cycle"), size).items():
                if metric in BY_NAME:
                    for region, level, numbers in cells(estimate):
                        scores[Key(name, level, region, metric)] = float(numbers[0])
    return scores


def _variables(truth: xr.Dataset) -> dict[str, Variable]:
    """The variables of the state, at the levels that they have."""
    variables = {}
    for name, field in truth.data_vars.items():
        levels: Sequence[float | None] = [None]
        if "level" in field.dims:
            there = field.isel(cycle=0).notnull().any([d for d in field.dims[1:] if d != "level"])
            levels = [float(p) for p in field["level"].values[there.values]]
        variables[str(name)] = Variable(field.attrs.get("units", "1"), tuple(levels))
    return variables


def tidy(forecast: Forecast) -> pd.DataFrame:
    """One row a value: variable, level, region, metric, lead, value."""
    rows = [
        key._asdict() | {"lead": lead, "value": value}
        for key, values in forecast.scores.items()
        for lead, value in zip(forecast.leads, values, strict=True)
    ]
    return pd.DataFrame(rows)
