"""Scores of an ensemble: members are reduced here, space by `spatial_mean`, time by the caller.

Functions take the members along the dimension `dim` and compute in float64. NaN in a member or in
the truth makes the point NaN.

The fair CRPS is our own: members are sorted, M log M operations a point, where xskillscore compares
all pairs, M^2, and has the plain CRPS alone (`python -m benchmarks scoring` measures both).

Source: WeatherBench 2 (arXiv 2308.15560), its evaluation code at 021c0b3; papers at the functions.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float

from dabench.scores.metrics.deterministic import error, squared_error
from dabench.scores.metrics.regions import spatial_mean


def mean(ensemble: xr.DataArray, dim: str = "member") -> xr.DataArray:
    """Ensemble mean, accumulated in float64."""
    return ensemble.mean(dim, skipna=False, dtype=np.float64)


def variance(ensemble: xr.DataArray, dim: str = "member") -> xr.DataArray:
    """Ensemble variance with M - 1 in the denominator; zero for a single member."""
    if ensemble.sizes[dim] == 1:
        return xr.zeros_like(ensemble.isel({dim: 0}, drop=True), dtype=np.float64)
    return (error(ensemble, mean(ensemble, dim)) ** 2).sum(dim, skipna=False) / (
        ensemble.sizes[dim] - 1
    )


def squared(std: xr.DataArray) -> xr.DataArray:
    """The variance that belongs to a standard deviation, in float64."""
    return std.astype(np.float64) ** 2


def debiased_squared_error(
    mean: xr.DataArray, variance: xr.DataArray, truth: xr.DataArray, members: int
) -> xr.DataArray:
    """Unbiased estimate of the squared error that the mean of infinitely many members would have.

    May be negative at a point; NaN for a single member.

    Arguments:
        mean, variance: Moments of the ensemble, with M - 1 in the denominator.
        members: Their number M.
    """
    sampling = variance / members if members > 1 else np.nan
    return squared_error(mean, truth) - sampling


def crps_skill(ensemble: xr.DataArray, truth: xr.DataArray, dim: str = "member") -> xr.DataArray:
    """Mean absolute error over the members, E|X - Y|."""
    return abs(error(ensemble, truth)).mean(dim, skipna=False)


def crps_spread(ensemble: xr.DataArray, dim: str = "member") -> xr.DataArray:
    """Mean of |X_k - X_l| over the M(M - 1) ordered pairs; zero for a single member.

    Sorted members give it as 2 / (M(M-1)) sum_k (2k - M - 1) X_(k). Source: Zamo & Naveau (2018),
    Math. Geosci. 50, 209.
    """
    if ensemble.sizes[dim] == 1:
        return variance(ensemble, dim)
    return xr.apply_ufunc(
        _mean_pair_distance, ensemble, input_core_dims=[[dim]], exclude_dims={dim}
    )


def _mean_pair_distance(x: Float[np.ndarray, "... member"]) -> Float[np.ndarray, "..."]:
    x = np.ascontiguousarray(np.moveaxis(x, -1, 0))  # numpy sorts the first axis fastest
    size = len(x)
    x = np.sort(x, axis=0)
    total = np.zeros(x.shape[1:])
    for k, row in enumerate(x):  # NaN sorts last, so it meets a weight that is not zero
        total += (2 * k + 1 - size) * row.astype(np.float64)
    return total * (2 / (size * (size - 1)))


def crps(
    ensemble: xr.DataArray, truth: xr.DataArray, dim: str = "member", fair: bool = True
) -> xr.DataArray:
    """Continuous ranked probability score, E|X - Y| - E|X - X'| / 2; units of the variable.

    Arguments:
        fair: Estimate the score of infinitely many exchangeable members (Ferro 2014, QJRMS 140,
            1917; may be negative at a point; a single member gives its absolute error). False:
            the score of the given members' own distribution, larger by crps_spread / (2 M), to be
            read beside the fair one where members are copies of each other.
    """
    parts = crps_skill(ensemble, truth, dim), crps_spread(ensemble, dim)
    return crps_of_parts(*parts, ensemble.sizes[dim], fair=fair)


def crps_of_parts(
    skill: xr.DataArray, distance: xr.DataArray, members: int, *, fair: bool = True
) -> xr.DataArray:
    """The CRPS of M members, see `crps`.

    Arguments:
        skill: E|X - Y|, see `crps_skill`.
        distance: E|X - X'| over pairs of different members, see `crps_spread`.
        members: Their number M.
    """
    half = 0.5 * distance
    return skill - (half if fair else half * (members - 1) / members)


def energy_score_skill(
    ensemble: xr.DataArray,
    truth: xr.DataArray,
    weights: xr.DataArray,
    dim: str = "member",
    skipna: bool = False,
) -> xr.DataArray:
    """Mean over the members of the area-weighted L2 norm of their error: (region, ...)."""
    return _norm(error(ensemble, truth), weights, skipna).mean(dim, skipna=skipna)


def energy_score_spread(
    ensemble: xr.DataArray,
    weights: xr.DataArray,
    dim: str = "member",
    skipna: bool = False,
    pairs: str = "adjacent",
) -> xr.DataArray:
    """Mean L2 distance between members; zero for a single member: (region, ...).

    Arguments:
        pairs: "adjacent": members next to each other, M - 1 pairs, as WeatherBench 2 does (the
            value depends on the order of the members; copies made by resampling lie side by side
            and shrink it). "all": all M(M - 1) ordered pairs.
    """
    size = ensemble.sizes[dim]
    if size == 1:
        return xr.zeros_like(spatial_mean(ensemble.isel({dim: 0}, drop=True), weights))
    x = ensemble.drop_vars(dim, errors="ignore").astype(np.float64)
    lags = [1] if pairs == "adjacent" else range(1, size)
    total = [
        _norm(_lagged(x, lag, dim), weights, skipna).sum(dim, skipna=skipna, min_count=1)
        for lag in lags
    ]
    count = sum(size - lag for lag in lags)
    return sum(total[1:], start=total[0]) / count


def _lagged(x: xr.DataArray, lag: int, dim: str) -> xr.DataArray:
    return x.isel({dim: slice(None, -lag)}) - x.isel({dim: slice(lag, None)})


def _norm(field: xr.DataArray, weights: xr.DataArray, skipna: bool) -> xr.DataArray:
    return spatial_mean(field**2, weights, skipna) ** 0.5


def energy_score(
    ensemble: xr.DataArray,
    truth: xr.DataArray,
    weights: xr.DataArray,
    dim: str = "member",
    skipna: bool = False,
    pairs: str = "adjacent",
) -> xr.DataArray:
    """Multivariate CRPS of the whole field, E||X - Y|| - E||X - X'|| / 2: (region, ...)."""
    skill = energy_score_skill(ensemble, truth, weights, dim, skipna)
    return skill - 0.5 * energy_score_spread(ensemble, weights, dim, skipna, pairs)


def spread_skill_ratio(
    variance: xr.DataArray, mean_squared_error: xr.DataArray, members: int
) -> xr.DataArray:
    """sqrt((M + 1) / M) spread / RMSE from means over space and time; 1 for a reliable ensemble.

    Source: Fortin et al. (2014), J. Hydrometeor. 15, 1708.
    """
    return ((members + 1) / members * variance / mean_squared_error) ** 0.5
