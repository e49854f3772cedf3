"""A run as scripts and notebooks see it: what was run, how it ended, and its scores."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dabench.core.errors import UserError
from dabench.runs.archive import read
from dabench.runs.archive.status import Status
from dabench.scenario.scenario import Scenario
from dabench.scores.files import current_scores, scores_on_disk
from dabench.scores.headlines import headlines
from dabench.scores.metrics.registry import METRICS
from dabench.scores.record import Cell, Scores

GLANCE = {metric.name: metric.title for metric in METRICS if metric.curve}
"""Titles of the metrics that are shown at a glance."""


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A run on disk. It can be given wherever the path of a run's folder can.

    Arguments:
        folder: Folder of the run.
        attributes: Attributes of the archive's root when the run was opened.
    """

    folder: Path
    attributes: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> "Run":
        """Open the run in a folder, or of an archive.zarr; UserError where there is none."""
        folder = Path(path).parent if Path(path).name == "archive.zarr" else Path(path)
        attributes = read.attributes(folder)
        if attributes is None:
            raise UserError(f"{path}: no run here (no archive.zarr). `dabench run` makes one.")
        return cls(folder, attributes)

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def method(self) -> str:
        """Name of the method, with its profile if one was used."""
        return self.attributes["method"]

    @property
    def seed(self) -> int:
        """Seed of truth, observations, initial members and method."""
        return self.attributes["seed"]

    @property
    def status(self) -> Status:
        """Whether the run is complete, still running, or when it diverged."""
        return Status.parse(self.attributes["status"])

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario as it was run, with all defaults written out."""
        content = {k: v for k, v in self.attributes["scenario"].items() if k != "digest"}
        return Scenario.model_validate(content)

    @cached_property
    def archive(self) -> xr.DataTree:
        """Whole cycles of the archive, by groups such as truth, mean, members and observations.

        Arrays are read from disk when they are used. Metadata follow CF; times are dates where the
        system has a calendar, else times since the start. Attributes of the root that are no plain
        numbers or text are JSON, so that `to_netcdf` takes the tree as it is.
        """
        tree = read.open_run(self.folder)
        groups = {name: _timed(node.to_dataset()) for name, node in tree.children.items()}
        attributes = {name: _plain(value) for name, value in tree.attrs.items()}
        return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})

    @cached_property
    def scores(self) -> Scores:
        """Scores of the archive, read from the file beside it or computed where that is older.

        Raises: UserError where no cycle is complete yet.
        """
        return current_scores(self.folder)

    def __repr__(self) -> str:
        about = f"{self.method} on {self.attributes['scenario']['name']}, seed {self.seed}"
        cells = [
            f"{_name(cell)}: " + ", ".join(f"{name} {value:.3g}" for name, value in scores.items())
            for cell, scores in self._at_a_glance()[:2]
        ]
        return f"<Run: {about}, {self.status}, {'; '.join(cells) or 'not scored'}>"

    def _repr_html_(self) -> str:
        about = {
            "scenario": self.attributes["scenario"]["name"],
            "method": self.method,
            "seed": self.seed,
            "status": self.status,
            "folder": self.folder,
        }
        names = list(GLANCE.values())
        scores = [
            [_name(cell), *(f"{values[name]:.3g}" if name in values else "" for name in names)]
            for cell, values in self._at_a_glance()
        ]
        return _table(about.items()) + (_table([("", *names), *scores]) if scores else "not scored")

    def _at_a_glance(self) -> list[tuple[Cell, dict[str, float]]]:
        """Headline scores by cell and metric, where no array has to be read for them."""
        scores = self.__dict__.get("scores") or scores_on_disk(self.folder)
        if scores is None:
            return []
        cells = headlines(scores.variables)
        values = [{name: scores.value(cell, m) for m, name in GLANCE.items()} for cell in cells]
        return [
            (cell, {name: value for name, value in row.items() if value is not None})
            for cell, row in zip(cells, values, strict=True)
        ]


def _timed(group: xr.Dataset) -> xr.Dataset:
    """The group with times since the start as such, rather than as numbers of seconds."""
    time = group["time"]
    if time.dtype.kind == "M":
        return group
    since = np.round(time.values * 1e9).astype("timedelta64[ns]")
    attrs = {name: value for name, value in time.attrs.items() if name != "units"}
    return group.assign_coords(time=("cycle", since, attrs))


def _plain(value: Any) -> int | float | str:
    """An attribute as netCDF can hold it."""
    is_plain = isinstance(value, int | float | str) and not isinstance(value, bool)
    return value if is_plain else json.dumps(value)


def _name(cell: Cell) -> str:
    variable, level = cell
    return variable if level is None else f"{variable} {level:g} hPa"


def _table(rows: Iterable[Iterable[object]]) -> str:
    """An HTML table whose first column is of headings."""
    lines = []
    for heading, *cells in rows:
        columns = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        lines.append(f"<tr><th>{escape(str(heading))}</th>{columns}</tr>")
    return f"<table>{''.join(lines)}</table>"
