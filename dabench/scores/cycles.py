"""Every metric in every cycle of a run, per variable, level and region, before its root."""

import zlib
from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from dabench.runs.archive.layout import RANKED
from dabench.scores.metrics import UNWEIGHTED, area_weights, ensemble, rank, spatial_mean
from dabench.scores.metrics.registry import METRICS, Sample
from dabench.scores.observed import untouched
from dabench.scores.record import GLOBAL, UNOBSERVED

REGIONS = (GLOBAL, "tropics", "northern-hemisphere", "southern-hemisphere")
"""Regions that runs are scored in, as in WeatherBench 2: the hemispheres start at 20 degrees. Toy
systems have the first alone."""

OFF = "unobserved "
"""Beginning of the names of means over the points that no observation touches."""

BINS = 16  # bins of the histogram of the PIT
BLOCK_BYTES = 2**28  # largest part of one variable's members that is in memory at once

Block = Mapping[str, xr.DataArray]
"""Some cycles of one variable, by group of the archive."""


def weights_of(truth: xr.Dataset, unweighted: bool = False) -> xr.DataArray:
    """Weights (region, *space) of the points of a run's fields in `REGIONS`.

    Arguments:
        unweighted: Add the region `UNWEIGHTED`, where there are areas to leave out.
    """
    return area_weights(truth, (*REGIONS, UNWEIGHTED) if unweighted else REGIONS)


def fields(tree: xr.DataTree, weights: xr.DataArray) -> dict[str, xr.Dataset]:
    """Per variable, means over regions of every metric before its root, in every cycle.

    Returns:
        By variable: each metric of `METRICS` that the archive has the parts of, under its name, and
        with `OFF` before it those over points that no observation touches; valid_fraction (region,
        cycle[, level]); pit (cycle[, level], bins) where members were
        archived, or what ranks need of them. Toy systems with several variables get "all", the mean
        over them.
    """
    names = sorted(map(str, tree["truth"].data_vars))
    scores = {name: _variable(tree, name, weights) for name in names}
    if "site" in weights.dims and len(scores) > 1:
        first, *others = scores.values()
        scores["all"] = sum(others, start=first) / len(scores)
    return scores


def field(tree: xr.DataTree, group: str, name: str) -> xr.DataArray:
    """A variable of a group of the archive, at the levels that it has.

    Arrays of a group share one axis of levels, where some variables have fewer than others.
    """
    array = tree[group].to_dataset()[name]
    if "level" not in array.dims:
        return array
    first = tree["truth"].to_dataset()[name].isel(cycle=0)
    levels = first.notnull().any([d for d in first.dims if d != "level"])
    return array.isel(level=np.flatnonzero(levels.values))


def _variable(tree: xr.DataTree, name: str, weights: xr.DataArray) -> xr.Dataset:
    """Scores of one variable in all cycles; ties and the PIT are drawn from a seed of its name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    free = untouched(tree, field(tree, "truth", name).isel(cycle=0))
    size = tree["members"].sizes["member"] if "members" in tree else tree.attrs.get("members", 1)
    return xr.concat([_means(b, size, weights, free, rng) for b in blocks(tree, name)], "cycle")


def blocks(tree: xr.DataTree, name: str) -> Iterator[Block]:
    """Read one variable a few cycles at a time, in the groups that were archived."""
    parts = ("truth", "mean", "spread", "members", *RANKED)
    groups = {group: field(tree, group, name) for group in parts if group in tree}
    largest = groups.get("members", groups["truth"])
    cycles = largest.sizes["cycle"]
    step = max(1, BLOCK_BYTES // max(1, largest.nbytes // max(1, cycles)))
    for start in range(0, cycles, step):
        part = slice(start, start + step)
        yield {
            g: (a.isel(cycle=part) if "cycle" in a.dims else a).load() for g, a in groups.items()
        }


def sample(block: Block, size: int) -> Sample:
    """The parts of a block that metrics are made of.

    Arguments:
        size: Number of members.
    """
    parts = {"truth": block["truth"], "mean": block["mean"], "std": block["spread"]}
    if "members" in block:
        members = block["members"]
        parts["members"] = members
        parts["skill"] = ensemble.crps_skill(members, block["truth"])
        parts["distance"] = ensemble.crps_spread(members)
    elif "skill" in block:
        parts |= {name: block[name].astype(np.float64) for name in ("skill", "distance")}
    return Sample(size, parts)


def off_network(scores: xr.Dataset) -> xr.Dataset:
    """The means over points that no observation touches, as a region of its own."""
    names = {str(n): str(n).removeprefix(OFF) for n in scores if str(n).startswith(OFF)}
    return scores[list(names)].rename(names).expand_dims(region=[UNOBSERVED])


def _means(
    block: Block,
    size: int,
    weights: xr.DataArray,
    free: xr.DataArray,
    rng: np.random.Generator,
) -> xr.Dataset:
    """Means over regions of every metric at every point, and the histogram of the PIT.

    Points where the truth is missing do not count; elsewhere NaN means divergence, and shows.
    """
    parts, truth = sample(block, size), block["truth"]
    has_truth = truth.notnull()
    whole = bool(has_truth.all())
    ranks = _ranks(block, rng)
    scores = {}
    for metric in METRICS:
        if metric.pointwise and metric.is_of(parts):
            values = metric.pointwise(parts)
            sound = xr.DataArray(np.isfinite(values) | ~has_truth).all(weights.dims[1:])
            values = values if whole else values.where(has_truth)
            scores[metric.name] = spatial_mean(values, weights, skipna=True).where(sound)
            if free.any():
                mean = _off_network(values, scores[metric.name], weights[0], free)
                scores[OFF + metric.name] = mean.where(sound)
    scores["valid_fraction"] = spatial_mean(has_truth, weights)
    if ranks is not None:
        scores["pit"] = pit(ranks, size, truth, weights[0].drop_vars("region"), rng)
    return xr.Dataset({k: v.drop_vars("time", errors="ignore") for k, v in scores.items()})


def _off_network(
    values: xr.DataArray, means: xr.DataArray, weights: xr.DataArray, free: xr.DataArray
) -> xr.DataArray:
    """The mean over points that no observation touches; NaN at levels without such a point.

    Arguments:
        values: Values at every point, NaN where the truth is missing.
        means: Their means over regions, the globe first.
        weights: Weights of the points of the globe.
        free: Whether no observation touches a point.
    """
    if free.all():
        return means.isel(region=0, drop=True)
    space = weights.dims
    share = (weights.drop_vars("region") * free) * values.notnull()
    return (values.astype(np.float64) * share).sum(space) / share.sum(space)


def _ranks(block: Block, rng: np.random.Generator) -> xr.DataArray | None:
    """Rank of the truth among the members at every point; None where it was not archived."""
    if "members" in block:
        return rank.rank(block["members"], block["truth"], rng=rng)
    if "below" not in block:
        return None
    return block["below"] + rng.integers(0, block["ties"].values, endpoint=True)


def pit(
    ranks: xr.DataArray,
    members: int,
    truth: xr.DataArray,
    weights: xr.DataArray,
    rng: np.random.Generator,
) -> xr.DataArray:
    """Area-weighted histogram of the randomised PIT in every cycle: (cycle[, level], bins).

    Arguments:
        ranks: Rank of the truth among the members at every point, 0 to their number.
        members: Number of members.
        truth: Truth (cycle[, level], *space); points where it is missing do not count.
        weights: Weights (*space) of one region.
    """
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
    """Valid times in seconds.

    Arguments:
        time: Times as an archive is read: dates, or numbers of seconds.
    """
    if time.dtype.kind == "M":
        return time.astype("datetime64[ns]").astype(np.int64) / 1e9
    return time.astype(np.float64)
