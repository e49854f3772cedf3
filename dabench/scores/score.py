"""From an archive to its scores: `scores.json` and the same as a tidy table beside it. No JAX.

    scores      one row a variable, level, region and metric: value, 95 % interval (low, high)
    series      the same cells per cycle, from cycle 0, the initial state, on
    rank        histograms of the randomised PIT, global, all scored cycles
    spectra     zonal power of truth, members and error (on the sphere)
    observations, withheld, ensemble, cost    see `diagnose`; the second where there is something

Headline values leave out the spin-up and take roots last. The values of a run that diverged are
null: what it scored before says nothing about a method that fails. Its series stay.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dabench.core import files
from dabench.core.errors import UserError
from dabench.core.plain import plain
from dabench.runs.archive import read
from dabench.scores import diagnostics, intervals, metrics
from dabench.scores.cycles import fields, seconds, weights_of
from dabench.scores.metrics.ensemble import spread_skill_ratio
from dabench.scores.spectra import spectra

SCHEMA = 4
FILE, TABLE = "scores.json", "scores.parquet"

MEANS = ("crps", "crps_plain", "bias", "mae")
"""Metrics whose headline value is the mean of their series."""

ROOTS = {"rmse": "mse", "spread": "variance"}
"""Metrics that are the root of a mean, and the mean's series."""


def score_run(path: str | Path) -> dict[str, Any]:
    """Score the whole cycles of a run and write the scores beside its archive, atomically.

    The same archive gives the same bytes. UserError where there is no run, or no cycle yet.
    """
    tree = read.open_run(path)
    completed = int(tree.attrs["completed"])
    if completed < 1:
        raise UserError(f"{path}: no cycle is complete yet; `dabench run` carries on.")
    with np.errstate(invalid="ignore", over="ignore"):  # what diverged shows as null
        scores = about(tree.attrs) | _scores(tree, slice(tree.attrs["spinup"] + 1, completed + 1))
    folder = _folder(path)
    files.replace(folder / FILE, json.dumps(scores, allow_nan=False).encode())
    _write_table(folder / TABLE, tidy(scores))
    return scores


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas has plans for an option that fastparquet looks at
        import fastparquet

        with files.replacing(path) as f:
            fastparquet.write(f.name, table, compression="ZSTD")


def load_scores(path: str | Path) -> dict[str, Any]:
    """The scores of a run's folder or file; UserError unless this version of dabench made them."""
    file = Path(path) if Path(path).suffix == ".json" else _folder(path) / FILE
    try:
        scores = json.loads(file.read_bytes())
        versions = scores["schema"], scores["metric_version"]
    except FileNotFoundError:
        raise UserError(f"{file}: not there; `dabench score {file.parent}` makes it.") from None
    except (ValueError, KeyError, TypeError) as e:
        raise UserError(f"{file}: not a file of scores ({e}); score the run again.") from None
    if versions != (SCHEMA, metrics.VERSION):
        raise UserError(
            f"{file}: schema and metrics {versions}, this dabench has {SCHEMA, metrics.VERSION}; "
            "score the run again."
        )
    return scores


def current_scores(path: str | Path) -> dict[str, Any]:
    """The scores of a run, made anew where they are missing or older than its archive."""
    folder = _folder(path)
    attrs = read.attributes(folder)
    try:
        scores = load_scores(folder)
    except UserError:
        return score_run(folder)
    fresh = attrs is None or about(attrs).items() <= scores.items()
    return scores if fresh else score_run(folder)


def _folder(path: str | Path) -> Path:
    return Path(path).parent if Path(path).name == "archive.zarr" else Path(path)


def about(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """What was run, as the root of an archive says."""
    known = ("scenario", "system", "method", "filter", "settings", "digest", "members", "seed")
    known += ("status", "cycles", "spinup", "completed", "provenance")
    versions = {"schema": SCHEMA, "metric_version": metrics.VERSION}
    return versions | {name: attrs[name] for name in known}


def _scores(tree: xr.DataTree, cycles: slice) -> dict[str, Any]:
    truth = tree["truth"].to_dataset()
    weights = weights_of(truth)
    scored = fields(tree, weights)
    sound = not tree.attrs["status"].startswith("diverged")
    size = int(tree.attrs["members"])
    withheld = diagnostics.withheld(tree, cycles)
    return {
        "regions": {str(w.region.item()): int((w > 0).sum()) for w in weights},
        "variables": {name: _variable(truth, name, v) for name, v in scored.items()},
        "seconds": plain(seconds(truth["time"].values)),
        "scores": [row for n, v in scored.items() for row in _rows(n, v, cycles, size, sound)],
        "series": [row for n, v in scored.items() for row in _series(n, v, size)],
        "rank": [row for n, v in scored.items() for row in _rank(n, v, cycles)] if sound else [],
        "spectra": _spectra(tree, cycles) if sound and "latitude" in truth.dims else [],
        "observations": diagnostics.observation_space(tree, cycles),
        "ensemble": diagnostics.ensemble(tree, cycles),
        "cost": diagnostics.cost(tree),
    } | ({"withheld": withheld} if withheld else {})


def _variable(truth: xr.Dataset, name: str, scores: xr.Dataset) -> dict[str, Any]:
    """Units, levels in hPa (null: it has none), and the share of the globe where it is known."""
    units = truth[name].attrs.get("units", "1") if name in truth else "1"
    share = scores["valid_fraction"].isel(region=0)
    return {
        "units": units,
        "levels": plain(scores["level"]) if "level" in scores.dims else [None],
        "valid_fraction": round(float(share.min()), 9),
    }


def _cells(values: xr.DataArray) -> list[tuple[str, float | None, np.ndarray]]:
    """(region, level, values over the remaining dimension) of every cell."""
    if "level" not in values.dims:
        values = values.expand_dims(level=[np.nan])
    rest = [d for d in values.dims if d not in ("region", "level")]
    values = values.transpose("region", "level", *rest)
    return [
        (str(region), plain(level), values.values[i, j])
        for i, region in enumerate(values["region"].values)
        for j, level in enumerate(values["level"].values)
    ]


def _series(name: str, scores: xr.Dataset, size: int) -> list[dict[str, Any]]:
    """Every metric of every cell per cycle; a single member has no spread."""
    found = {m: scores[base] ** 0.5 for m, base in ROOTS.items() if m == "rmse" or size > 1}
    found |= {m: scores[m] for m in MEANS if m in scores}
    return [
        {"variable": name, "level": level, "region": region, "metric": metric, "values": plain(v)}
        for metric, values in found.items()
        for region, level, v in _cells(values)
    ]


def _rows(
    name: str, scores: xr.Dataset, cycles: slice, size: int, sound: bool
) -> list[dict[str, Any]]:
    """Headline values of every cell; null, whatever was scored, where the run is not sound."""
    part = (scores.isel(cycle=cycles) if sound else scores).transpose(..., "cycle")
    rows = []
    for metric, estimate in headline(part, size).items():
        for region, level, numbers in _cells(estimate):
            value, low, high = plain(numbers) if sound else (None, None, None)
            rows.append(
                {"variable": name, "level": level, "region": region, "metric": metric}
                | {"value": value, "low": low, "high": high}
            )
    return rows


def headline(scores: xr.Dataset, members: int) -> dict[str, xr.DataArray]:
    """Values over all cycles with their 95 % intervals: (..., value | low | high) per metric.

    The interval of a root is the root of the mean's; that of the spread-skill ratio is by the delta
    method on its logarithm. `*_root_first` average the roots of every cycle, as DAPPER does.

    Arguments:
        scores: mse, variance, .. (..., cycle).
    """
    if not scores.sizes["cycle"]:
        return {}
    found = {metric: _mean(scores[metric]) for metric in MEANS if metric in scores}
    for metric, base in ROOTS.items():
        if metric == "rmse" or members > 1:
            found[metric] = _mean(scores[base]).clip(0) ** 0.5
            found[f"{metric}_root_first"] = _mean(scores[base] ** 0.5)
    if members > 1:
        found["spread_skill"] = _ratio(scores["variance"], scores["mse"], members)
    return found


def _mean(series: xr.DataArray) -> xr.DataArray:
    estimate = intervals.ewc(series.values)
    return _bounded(series, estimate.mean, *estimate.interval())


def _ratio(variance: xr.DataArray, mse: xr.DataArray, members: int) -> xr.DataArray:
    v, m = variance.mean("cycle"), mse.mean("cycle")
    value = spread_skill_ratio(v, m, members)
    low, high = intervals.ewc((0.5 * (variance / v - mse / m)).values).interval()
    return _bounded(mse, value.values, value.values * np.exp(low), value.values * np.exp(high))


def _bounded(like: xr.DataArray, value: Any, low: Any, high: Any) -> xr.DataArray:
    coords = {k: c for k, c in like.coords.items() if "cycle" not in c.dims}
    return xr.DataArray(np.stack([value, low, high], -1), coords, (*like.dims[:-1], "bound"))


def _rank(name: str, scores: xr.Dataset, cycles: slice) -> list[dict[str, Any]]:
    if "pit" not in scores:
        return []
    share = scores["pit"].isel(cycle=cycles).mean("cycle").expand_dims(region=["global"])
    return [
        {"variable": name, "level": level, "histogram": plain(v)} for _, level, v in _cells(share)
    ]


def _spectra(tree: xr.DataTree, cycles: slice) -> list[dict[str, Any]]:
    rows = []
    for name in sorted(map(str, tree["truth"].data_vars)):
        power = spectra(tree, name, cycles).expand_dims(region=["global"])
        kinds = {kind: _cells(values) for kind, values in power.data_vars.items()}
        for cells in zip(*kinds.values(), strict=True):
            row = {"variable": name, "level": cells[0][1]}
            rows.append(row | {str(k): plain(c[2]) for k, c in zip(kinds, cells, strict=True)})
    return rows


def tidy(scores: dict[str, Any]) -> pd.DataFrame:
    """One row a value: variable, level, region, metric, cycle (-1: headline), value, low, high."""
    names = ["variable", "level", "region", "metric", "value", "low", "high"]
    headline = pd.DataFrame(scores["scores"], columns=names).assign(cycle=-1)
    series = pd.DataFrame(scores["series"]).rename(columns={"values": "value"})
    series["cycle"] = [list(range(len(v))) for v in series["value"]]
    table = pd.concat([headline, series.explode(["value", "cycle"])], ignore_index=True)
    numbers = {c: table[c].astype(float) for c in ("level", "value", "low", "high")}
    labels = {c: table[c].astype("category") for c in ("variable", "region", "metric")}
    return table.assign(**numbers, **labels, cycle=table["cycle"].astype("int32"))
