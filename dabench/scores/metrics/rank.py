"""Where the truth falls among the members: ranks, rank histograms, what the centre captures.

Source: Hamill (2001), Mon. Wea. Rev. 129, 550; WeatherBench 2's evaluation code at 021c0b3.
"""

from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr


def rank(
    ensemble: xr.DataArray,
    truth: xr.DataArray,
    dim: str = "member",
    rng: np.random.Generator | None = None,
) -> xr.DataArray:
    """How many members lie below the truth, 0..M; NaN counts as larger than any number.

    Arguments:
        rng: Breaks ties between the truth and members at random; without it the truth comes first.
    """
    x, y = xr.broadcast(ensemble.transpose(dim, ...), truth, exclude=[dim])
    missing, y_missing = np.isnan(x), np.isnan(y)
    below, ties = x < y, x == y
    if missing.any() or y_missing.any():
        below, ties = below | (y_missing & ~missing), ties | (y_missing & missing)
    if rng is None:
        return below.sum(dim)
    return below.sum(dim) + rng.integers(0, ties.sum(dim).values, endpoint=True)


def rank_histogram(
    ranks: xr.DataArray, members: int, dims: Sequence[Hashable], bins: int | None = None
) -> xr.DataArray:
    """Share of the ranks in each bin, over the dimensions `dims`, unweighted: (..., bins).

    Arguments:
        ranks: 0..members, from `rank`.
        bins: Number of bins, a divisor of members + 1 (ValueError otherwise); default members + 1.
    """
    bins = members + 1 if bins is None else bins
    if (members + 1) % bins:
        raise ValueError(f"{members + 1} ranks do not divide into {bins} bins")
    index = ranks // ((members + 1) // bins)
    share = [(index == b).mean(dims, dtype=np.float64) for b in range(bins)]
    return xr.concat(share, xr.DataArray(np.arange(bins), dims="bins", name="bins")).transpose(
        ..., "bins"
    )


def pit(ranks: xr.DataArray, members: int, rng: np.random.Generator) -> xr.DataArray:
    """Randomised probability integral transform (rank + u) / (M + 1), u uniform on [0, 1).

    Uniform on [0, 1) for a reliable ensemble of any size, so that bins need not divide M + 1.

    Arguments:
        ranks: 0..members, from `rank`.
    """
    return (ranks + rng.random(ranks.shape)) / (members + 1)


def central_reliability(histogram: xr.DataArray) -> xr.DataArray:
    """How often the truth lies in the central 1, 3, 5 .. (or 2, 4 ..) bins: (..., desired_prob).

    The coordinate `desired_prob` is the share of the bins, which a reliable ensemble would reach.

    Arguments:
        histogram: (..., bins), at least three bins (ValueError otherwise).
    """
    bins = histogram.sizes["bins"]
    if bins < 3:
        raise ValueError(f"central reliability needs at least 3 bins, got {bins}")
    half, odd = bins // 2, bins % 2
    widths = np.arange(2 - odd, bins + 1, 2)
    h = histogram.transpose(..., "bins")
    low = half - (widths - odd) // 2
    captured = [h.values[..., a : a + n].sum(-1) for a, n in zip(low, widths, strict=True)]
    coords = {k: c for k, c in h.coords.items() if "bins" not in c.dims}
    return xr.DataArray(
        np.stack(captured, -1),
        {**coords, "desired_prob": widths / bins},
        (*h.dims[:-1], "desired_prob"),
    )
