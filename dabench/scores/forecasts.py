"""Scores of the forecasts from a run's analyses by lead time, from their archive alone."""

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
from dabench.scores.record import GLOBAL, Cell, Key, Series, Variable
from dabench.scores.time_means import cells, headline

FILE = "scores.csv"


@dataclass(frozen=True, eq=False)
class Forecast:
    """The scores of the forecasts from one run.

    Arguments:
        attributes: Attributes of the archive's root: scenario, system, method, seed, starts, ..
        variables: The variables of the state by name.
        leads: Lead times, days where the system is on the sphere, else cycles; the first is 0.
        scores: Scores over all starts by lead.
    """

    attributes: Mapping[str, Any]
    variables: Mapping[str, Variable]
    leads: Series
    scores: Mapping[Key, Series]

    @property
    def method(self) -> str:
        """Name of the method whose analyses are forecast from."""
        return self.attributes["method"]

    @property
    def on_sphere(self) -> bool:
        """Whether leads are days."""
        return any(key.region != GLOBAL for key in self.scores)

    def series(self, cell: Cell, metric: str) -> Series:
        """A score of the globe at every lead; NaN where there is none."""
        return self.scores.get(Key(*cell, GLOBAL, metric), np.full(len(self.leads), np.nan))


def score_forecast(folder: Path) -> Forecast:
    """The scores of a forecast, with the metrics of runs, over all its starts; writes `scores.csv`.

    Arguments:
        folder: Folder of the forecast, `<run>/lead<L>_every<n>.forecast`.
    Raises: UserError where it is not complete.
    """
    tree = read.open_run(folder)
    if tree.attrs["status"] != "complete":
        raise UserError(f"{folder}: is not complete; the same `dabench forecast` goes on with it")
    truth = tree["truth"].to_dataset()
    leads = range(tree.attrs["leads"] + 1)
    by_lead = [_scores(tree, lead) for lead in leads]
    unit = 86400 / tree.attrs["cycle_seconds"] if "latitude" in truth.dims else 1
    forecast = Forecast(
        attributes={str(name): value for name, value in tree.attrs.items()},
        variables=_variables(truth),
        leads=np.arange(len(leads)) / unit,
        scores={key: np.array([row[key] for row in by_lead]) for key in by_lead[0]},
    )
    files.replace(folder / FILE, tidy(forecast).to_csv(index=False).encode())
    return forecast


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
