"""Further scores of a run, from its archive and that of a run of the climatology."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dabench.core.errors import UserError
from dabench.core.plain import plain
from dabench.runs.archive import read
from dabench.runs.archive.status import Status
from dabench.scores.cycles import blocks, field, sample, weights_of
from dabench.scores.metrics.further import CLIMATE, FURTHER, FurtherScore
from dabench.scores.metrics.registry import Sample
from dabench.scores.record import Key, Score
from dabench.scores.time_means import cells, over_cycles

METHOD = "climatology"
"""The method whose members are draws of the climate."""

Climate = Mapping[str, xr.DataArray]
"""Mean and standard deviation of the climate at every point, as parts of a sample."""


def further(
    path: str | Path, names: Sequence[str], climatology: str | Path | None = None
) -> dict[Key, Score]:
    """Further scores of the cycles after the spin-up, with 95 % intervals; none of a failed run.

    Arguments:
        path: Folder of the run.
        names: Names out of `FURTHER`.
        climatology: Folder of a run of the climatology on the same system; default the one beside.
    Raises: UserError for unknown names, where the run has too few members or did not archive them,
        and where there is no run of the climatology but one is needed.
    """
    if unknown := [name for name in names if name not in FURTHER]:
        raise UserError(f"unknown score {unknown[0]!r}; known: {', '.join(FURTHER)}")
    tree, rows = read.open_run(path), [FURTHER[name] for name in names]
    climate_run = None
    if any(CLIMATE in row.needs for row in rows):
        climate_run = _climate_run(Path(path), climatology, tree.attrs["system"])
    diverged = Status.parse(tree.attrs["status"]).diverged
    scores = {}
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # scores that are none
        for name, values in _series(tree, rows, climate_run, str(path)):
            for metric, series in values.items():
                for region, level, numbers in cells(over_cycles(series)):
                    score = Score(None) if diverged else Score(*plain(numbers))
                    scores[Key(name, level, region, metric)] = score
    return scores


def _series(
    tree: xr.DataTree, rows: Sequence[FurtherScore], climate_run: xr.DataTree | None, path: str
) -> Iterator[tuple[str, dict[str, xr.DataArray]]]:
    """Per variable, each score in every cycle after the spin-up (region[, level], cycle)."""
    weights, size = weights_of(tree["truth"].to_dataset()), int(tree.attrs["members"])
    cycles = slice(tree.attrs["spinup"] + 1, tree.attrs["completed"] + 1)
    if cycles.start >= cycles.stop:
        raise UserError(f"{path}: no cycle after the spin-up is complete yet")
    for name in sorted(map(str, tree["truth"].data_vars)):
        climate = {} if climate_run is None else _climate(climate_run, name)
        parts = [
            _of_block(Sample(size, {**sample(block, size).parts, **climate}), rows, weights, path)
            for block in blocks(tree, name)
        ]
        whole = xr.concat(parts, "cycle").isel(cycle=cycles).transpose(..., "cycle")
        yield name, {str(metric): values for metric, values in whole.data_vars.items()}


def _of_block(
    part: Sample, rows: Sequence[FurtherScore], weights: xr.DataArray, path: str
) -> xr.Dataset:
    """Scores of some cycles of one variable; UserError where they lack what they are made of."""
    for row in rows:
        if part.size < row.least:
            raise UserError(f"{path}: {row.name} needs {row.least} members, it has {part.size}")
        if missing := [name for name in row.needs if name not in part.parts]:
            raise UserError(f"{path}: {row.name} needs {missing[0]}, which were not archived")
    scores = {row.name: row.by_region(part, weights) for row in rows}
    return xr.Dataset({k: v.drop_vars("time", errors="ignore") for k, v in scores.items()})


def _climate_run(folder: Path, climatology: str | Path | None, system: Mapping) -> xr.DataTree:
    """The archive of a run of the climatology on the same system."""
    folder = folder.parent if folder.name == "archive.zarr" else folder
    beside = folder.absolute().parent.parent / METHOD / folder.name
    place = Path(climatology or beside)
    if read.attributes(place) is None:
        raise UserError(
            f"{place}: no run of the climatology here, which these scores need; run the scenario "
            f"with `--method {METHOD}`, or say where it is with --climatology"
        )
    tree = read.open_run(place)
    if tree.attrs["filter"] != METHOD or tree.attrs["system"] != system:
        raise UserError(f"{place}: is no run of the climatology on the system {system['name']}")
    if tree.attrs["completed"] < 1 or tree.attrs["members"] < 2:
        raise UserError(f"{place}: a whole cycle of two members or more is needed")
    return tree


def _climate(tree: xr.DataTree, name: str) -> Climate:
    """Mean and standard deviation of the members of all cycles, the initial state aside."""
    mean, std = (field(tree, group, name)[1:].astype(np.float64) for group in ("mean", "spread"))
    return {CLIMATE: mean.mean("cycle"), "climate_std": (std**2).mean("cycle") ** 0.5}
