"""Where the truth falls among the members.

xskillscore's rank histogram breaks ties by NumPy's global generator and has no weights, so that one
archive would not give the same scores twice, nor a grid point its area.

Source: Hamill (2001), Mon. Wea. Rev. 129, 550; WeatherBench 2's evaluation code at 021c0b3.
"""

import numpy as np
import xarray as xr


def rank(
    ensemble: xr.DataArray,
    truth: xr.DataArray,
    dim: str = "member",
    rng: np.random.Generator | None = None,
) -> xr.DataArray:
    """Number of members below the truth, 0 to M; NaN counts as larger than any number.

    Arguments:
        rng: Generator that breaks ties of the truth with members; without it the truth comes first.
    """
    x, y = xr.broadcast(ensemble.transpose(dim, ...), truth, exclude=[dim])
    missing, y_missing = np.isnan(x), np.isnan(y)
    below, ties = x < y, x == y
    if missing.any() or y_missing.any():
        below, ties = below | (y_missing & ~missing), ties | (y_missing & missing)
    if rng is None:
        return below.sum(dim)
    return below.sum(dim) + rng.integers(0, ties.sum(dim).values, endpoint=True)


def pit(ranks: xr.DataArray, members: int, rng: np.random.Generator) -> xr.DataArray:
    """Randomised probability integral transform (rank + u) / (M + 1), u uniform on [0, 1).

    Uniform on [0, 1) for a reliable ensemble of any size, so that bins need not divide M + 1.

    Arguments:
        ranks: Ranks from 0 to the number of members, see `rank`.
        members: Number of members M.
    """
    return (ranks + rng.random(ranks.shape)) / (members + 1)
