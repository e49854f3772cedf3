"""CRPS, and all scores of fields against their truth, beside xskillscore's."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import xskillscore as xs

from benchmarks.race import Row, race
from dabench.runs.archive import read
from dabench.scores import cycles as series
from dabench.scores.metrics.ensemble import crps as our_crps

FULL = (64, 181, 360)
QUICK = (64, 61, 120)


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """CRPS of one field of 64 members at one degree; and a run of 16 members at 4 degrees."""
    yield from crps(QUICK if quick else FULL, rounds)
    yield from whole(2 if quick else 8, rounds)


def crps(shape: tuple[int, ...], rounds: int) -> list[Row]:
    """The fair CRPS of ours; xskillscore has the plain one alone, which ours is compared with."""
    rng = np.random.default_rng(0)
    draw, dims = rng.standard_normal(shape, dtype=np.float32), ("member", "latitude", "longitude")
    members, truth = xr.DataArray(draw, dims=dims), xr.DataArray(0 * draw[0], dims=dims[1:])

    def theirs() -> Any:
        return xs.crps_ensemble(truth, members, dim=[])

    plain = our_crps(members, truth, fair=False)
    notes = {"ours": {"difference": float(f"{abs(plain - theirs()).max().item():.2g}")}}
    candidates = {"xskillscore": theirs, "ours": lambda: our_crps(members, truth)}
    return race("CRPS " + " x ".join(map(str, shape)), candidates, rounds, notes)


def whole(cycles: int, rounds: int) -> list[Row]:
    """Area means in four regions of every variable and level of a run's members, cycle by cycle."""
    from dabench.runs.execute import run as run_methods

    with tempfile.TemporaryDirectory() as out:
        (folder,) = run_methods(
            "dry_temp_4deg", methods=["climatology"], members=16, cycles=cycles, out=Path(out)
        )
        tree = read.open_run(folder).load()
    weights = series.weights_of(tree["truth"].to_dataset())
    candidates = {
        "xskillscore": lambda: theirs(tree, weights),
        "ours": lambda: series.fields(tree, weights),
    }
    found = series.fields(tree, weights)
    expected = theirs(tree, weights)
    theirs_of = {"rmse": "mse", "mae": "mae"}  # before the root
    worst = max(
        abs(found[name][ours] / expected[name][theirs_of[ours]] - 1).max().item()
        for name in expected
        for ours in theirs_of
    )
    notes = {"ours": {"difference": float(f"{worst:.2g}")}}
    return race(f"all scores of {cycles} cycles", candidates, rounds, notes)


def theirs(tree: xr.DataTree, weights: xr.DataArray) -> dict[str, xr.Dataset]:
    """The same quantities: mse, variance, bias, mae, crps, rank histogram, anomaly correlation."""
    found = {}
    for name in map(str, tree["truth"].data_vars):
        truth, members = (series.field(tree, group, name) for group in ("truth", "members"))
        space = [d for d in ("latitude", "longitude", "site") if d in truth.dims]
        mean = members.mean("member")
        skill = xs.crps_ensemble(truth, members, dim=[])
        regions = [
            _region(xs, truth, members, mean, skill, w, space)
            for w in (weights.isel(region=i, drop=True) for i in range(weights.sizes["region"]))
        ]
        found[name] = xr.concat(regions, "region")
        found[name]["rank"] = xs.rank_histogram(truth, members, dim=space)
    return found


def _region(
    xs: Any,
    truth: xr.DataArray,
    members: xr.DataArray,
    mean: xr.DataArray,
    skill: Any,
    weights: xr.DataArray,
    space: list[str],
) -> xr.Dataset:
    over: dict[str, Any] = {"dim": space, "weights": weights}
    return xr.Dataset(
        {
            "mse": xs.mse(mean, truth, **over),
            "bias": xs.me(mean, truth, **over),
            "mae": xs.mae(mean, truth, **over),
            "acc": xs.pearson_r(mean, truth, **over),
            "variance": members.var("member", ddof=1).weighted(weights).mean(space),
            "crps": skill.weighted(weights).mean(space),
        }
    )
