"""Scores of every cycle of a run: fields against the truth, per variable, level and region."""

import zlib
from collections.abc import Iterator

import numpy as np
import xarray as xr

from dabench.runs.archive.layout import RANKED
from dabench.scores.metrics import area_weights, deterministic, ensemble, rank, spatial_mean

REGIONS = ("global", "tropics", "northern-hemisphere", "southern-hemisphere")
"""As in WeatherBench 2: the hemispheres start at 20 degrees. Toy systems have the first alone."""

BINS = 16
BLOCK_BYTES = 2**28
"""How much of one variable of the members is held at once."""


def weights_of(truth: xr.Dataset) -> xr.DataArray:
    """(region, *space) weights for a run's fields."""
    return area_weights(truth, REGIONS)


def fields(tree: xr.DataTree, weights: xr.DataArray) -> dict[str, xr.Dataset]:
    """Per variable: mse, variance, bias, mae, valid_fraction (region, cycle[, level]), and

    crps, crps_plain, pit (cycle[, level], bins) where the archive holds members, or what these need
    of them. Toy systems with several variables get "all", the mean over them.
    """
    names = sorted(map(str, tree["truth"].data_vars))
    found = {name: _variable(tree, name, weights) for name in names}
    if "site" in weights.dims and len(found) > 1:
        found["all"] = sum(list(found.values())[1:], start=next(iter(found.values()))) / len(found)
    return found


def field(tree: xr.DataTree, group: str, name: str) -> xr.DataArray:
    """One variable of a group, at the levels that it has (others of the group may have more)."""
    array = tree[group].to_dataset()[name]
    if "level" not in array.dims:
        return array
    first = tree["truth"].to_dataset()[name].isel(cycle=0)
    known = first.notnull().any([d for d in first.dims if d != "level"])
    return array.isel(level=np.flatnonzero(known.values))


def _variable(tree: xr.DataTree, name: str, weights: xr.DataArray) -> xr.Dataset:
    wanted = ("truth", "mean", "spread", "members", *RANKED)
    groups = {g: field(tree, g, name) for g in wanted if g in tree}
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    size = tree["members"].sizes["member"] if "members" in tree else tree.attrs.get("members", 1)
    parts = [_block(block, size, weights, rng) for block in _blocks(groups)]
    return xr.concat(parts, "cycle")


def _blocks(groups: dict[str, xr.DataArray]) -> Iterator[dict[str, xr.DataArray]]:
    """A few cycles of one variable at a time, in memory."""
    largest = groups.get("members", groups["truth"])
    cycles = largest.sizes["cycle"]
    step = max(1, BLOCK_BYTES // max(1, largest.nbytes // max(1, cycles)))
    for start in range(0, cycles, step):
        part = slice(start, start + step)
        yield {
            g: (a.isel(cycle=part) if "cycle" in a.dims else a).load() for g, a in groups.items()
        }


def _block(
    block: dict[str, xr.DataArray], size: int, weights: xr.DataArray, rng: np.random.Generator
) -> xr.Dataset:
    """Points where the truth is missing do not count; elsewhere NaN means divergence, and shows."""
    truth, mean = block["truth"], block["mean"]
    seen, complete = truth.notnull(), bool(truth.notnull().all())
    error = deterministic.error(mean, truth)
    maps = {"mse": error**2, "variance": block["spread"].astype(np.float64) ** 2}
    maps |= {"bias": error, "mae": abs(error)}
    parts = _parts(block, rng)
    if parts:
        skill, spread, ranks = parts
        maps["crps"] = skill - 0.5 * spread
        maps["crps_plain"] = skill - 0.5 * spread * (size - 1) / size
    scores = {}
    for name, values in maps.items():
        sound = xr.DataArray(np.isfinite(values) | ~seen).all(weights.dims[1:])
        known = values if complete else values.where(seen)
        scores[name] = spatial_mean(known, weights, skipna=True).where(sound)
    scores["valid_fraction"] = spatial_mean(seen, weights)
    if parts:
        scores["pit"] = pit(ranks, size, truth, weights[0].drop_vars("region"), rng)
    return xr.Dataset({k: v.drop_vars("time", errors="ignore") for k, v in scores.items()})


def _parts(
    block: dict[str, xr.DataArray], rng: np.random.Generator
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray] | None:
    """CRPS's two parts and the truth's rank; None where neither members nor these were archived."""
    if "members" in block:
        members, truth = block["members"], block["truth"]
        both = ensemble.crps_skill(members, truth), ensemble.crps_spread(members)
        return *both, rank.rank(members, truth, rng=rng)
    if "skill" not in block:
        return None
    skill, spread = (block[name].astype(np.float64) for name in ("skill", "distance"))
    return skill, spread, block["below"] + rng.integers(0, block["ties"].values, endpoint=True)


def pit(
    ranks: xr.DataArray,
    members: int,
    truth: xr.DataArray,
    weights: xr.DataArray,
    rng: np.random.Generator,
) -> xr.DataArray:
    """Area-weighted histogram of the randomised PIT of every cycle: (cycle[, level], bins)."""
    index = (rank.pit(ranks, members, rng) * BINS).astype(int)
    space = weights.dims
    index, weight = xr.broadcast(index, weights * truth.notnull())
    cells = [d for d in index.dims if d not in space]
    index, weight = (a.transpose(*cells, *space) for a in (index, weight))
    shape = tuple(index.sizes[d] for d in cells)
    cell = np.arange(np.prod(shape)).reshape(*shape, *(1 for _ in space))
    share = np.bincount(
        (index.values + BINS * cell).ravel(), weight.values.ravel(), cell.size * BINS
    ).reshape(*shape, BINS)
    coords = {d: truth[d] for d in cells}
    with np.errstate(invalid="ignore"):
        return xr.DataArray(share / share.sum(-1, keepdims=True), coords, (*cells, "bins"))


def seconds(time: np.ndarray) -> np.ndarray:
    """Valid times as an archive is read, dates or numbers, in seconds."""
    if time.dtype.kind == "M":
        return time.astype("datetime64[ns]").astype(np.int64) / 1e9
    return time.astype(np.float64)
