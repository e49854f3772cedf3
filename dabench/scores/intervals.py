"""Means of autocorrelated series: standard errors, intervals, p-values.

Every estimator takes series (..., time) and returns arrays (...), so that all cells of a table are
done at once. Series of scores of a cycled filter are short and remember for days: the default is
`ewc`, whose size is close to nominal where a t-test, or an inflation by AR(2), is far off.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

Series = Float[np.ndarray, "*cells time"]
Cells = Float[np.ndarray, "*cells"]
MEMORY = 0.9  # autocorrelation from one cycle to the next: a memory of ten cycles
ROUNDING = 1e-9  # more than powers of whole numbers fall short of a whole number


class MeanEstimate(NamedTuple):
    """A mean with its standard error and the degrees of freedom of the t distribution for it."""

    mean: Cells
    error: Cells
    freedom: Cells

    def interval(self, level: float = 0.95) -> tuple[Cells, Cells]:
        """Lower and upper end; NaN where the series is too short."""
        half = stats.t.ppf(0.5 + level / 2, self.freedom) * self.error
        return self.mean - half, self.mean + half

    def p_value(self) -> Cells:
        """Two-sided, for the hypothesis that the mean is zero; 1 where there is no difference."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(self.mean == 0, 0.0, np.abs(self.mean) / self.error)
        return 2 * stats.t.sf(t, self.freedom)


def naive(series: Series) -> MeanEstimate:
    """The plain t-test for independent values: right for seeds, far too narrow for cycles."""
    n = series.shape[-1]
    error = series.std(-1, ddof=1) / np.sqrt(n)
    return MeanEstimate(series.mean(-1), error, np.full_like(error, n - 1))


def ewc(series: Series) -> MeanEstimate:
    """Equal-weighted cosine estimate of the long-run variance, on floor(0.4 T^(2/3)) cosines.

    Source: Lazarus, Lewis, Stock & Watson (2018), J. Bus. Econ. Stat. 36, 541.
    """
    n, mean = series.shape[-1], series.mean(-1)
    basis = _cosines(n)
    if not basis.size:
        return MeanEstimate(mean, np.full_like(mean, np.nan), np.ones_like(mean))
    long_run = (((series - mean[..., None]) @ basis) ** 2).mean(-1)
    return MeanEstimate(mean, np.sqrt(long_run / n), np.full_like(mean, basis.shape[1]))


def long_memory(series: Series) -> MeanEstimate:
    """`ewc` with the error that it would need if the series remembered as an AR(1) of `MEMORY`.

    A short series does not tell how long it remembers. With this error the test keeps its size for
    every autocorrelation from zero up to `MEMORY`: at 5 % and 8 to 365 values it rejects 0.01 of
    true hypotheses without memory and 0.056 at most with all of it.

    Source: the idea of Mueller (2014), J. Bus. Econ. Stat. 32, 311, of a bound on the memory.
    """
    plain, n = ewc(series), series.shape[-1]
    lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    covariance = MEMORY**lags
    basis = _cosines(n)
    of_mean, of_cosines = covariance.mean() * n, np.diag(basis.T @ covariance @ basis).mean()
    return plain._replace(error=plain.error * np.sqrt(of_mean / of_cosines))


def _cosines(n: int) -> Float[np.ndarray, "time cosine"]:
    """The orthonormal cosines of `ewc` for a series of n values."""
    j, t = np.arange(1, int(0.4 * n ** (2 / 3) + ROUNDING) + 1), np.arange(n) + 0.5
    return np.sqrt(2 / n) * np.cos(np.pi * t[:, None] * j / n)


def geer(series: Series) -> MeanEstimate:
    """t-test whose standard error is inflated for an AR(2) process, as in ECMWF's scorecards.

    Source: Geer (2016), Tellus A 68, 30229.
    """
    plain = naive(series)
    return plain._replace(error=plain.error * inflation(series))


def inflation(series: Series) -> Cells:
    """k >= 1, the factor by which an AR(2) process widens the standard error; T / k^2 is effective.

    Infinite where the process that fits is not stationary, as for a series that drifts.

    Source: Geer (2016), Tellus A 68, 30229.
    """
    r1, r2 = autocorrelation(series, 1), autocorrelation(series, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        phi1 = r1 * (1 - r2) / (1 - r1**2)
        phi2 = (r2 - r1**2) / (1 - r1**2)
        k2 = (1 - r1 * phi1 - r2 * phi2) / (1 - phi1 - phi2) ** 2
        stationary = (phi1 + phi2 < 1) & (np.abs(phi2) < 1) & (k2 > 0)
    return np.where((r1 > 0) & ~stationary, np.inf, np.sqrt(np.fmax(k2, 1.0)))


def autocorrelation(series: Series, lag: int) -> Cells:
    """Correlation of a series with itself `lag` later; zero where one of the two is constant."""
    a, b = series[..., lag:], series[..., :-lag]
    a, b = (x - x.mean(-1, keepdims=True) for x in (a, b))
    norm = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(norm > 0, (a * b).sum(-1) / norm, 0.0)


def diebold_mariano(series: Series) -> MeanEstimate:
    """HAC test with Bartlett weights over h - 1 lags, h = 1 + floor(T^(1/3)), small-sample factor.

    The original cuts the autocovariances off after h - 1 lags, where their sum may be negative;
    Bartlett weights keep it positive.

    Source: Diebold & Mariano (1995), J. Bus. Econ. Stat. 13, 253; Harvey, Leybourne & Newbold
    (1997), Int. J. Forecast. 13, 281.
    """
    n = series.shape[-1]
    h = 1 + int(n ** (1 / 3) + ROUNDING)
    mean = series.mean(-1)
    d = series - mean[..., None]
    variance = (d**2).mean(-1)
    for lag in range(1, h):
        covariance = (d[..., lag:] * d[..., :-lag]).sum(-1) / n
        variance = variance + 2 * (1 - lag / h) * covariance
    small = (n + 1 - 2 * h + h * (h - 1) / n) / n
    return MeanEstimate(mean, np.sqrt(variance / n / small), np.full_like(mean, n - 1))


TESTS: dict[str, Callable[[Series], MeanEstimate]] = {
    "ewc": ewc,
    "geer": geer,
    "diebold_mariano": diebold_mariano,
}
"""Tests of a mean by name; `stationary_bootstrap` tests other statistics, too."""


def block_length(series: Series) -> float:
    """Mean block length for the stationary bootstrap of all cells: their median, from AR(1) fits.

    Never below 1 / (1 - r1). Source: Patton, Politis & White (2009), Econometric Rev. 28, 372, with
    the spectrum of an AR(1) process.
    """
    n = series.shape[-1]
    r = np.clip(autocorrelation(series, 1), 0.0, 0.97)
    length = np.maximum((2 * r / (1 - r**2)) ** (2 / 3) * n ** (1 / 3), 1 / (1 - r))
    return float(np.clip(np.median(length), 1.0, n))


def resample(
    rng: np.random.Generator, time: int, length: float, replicates: int
) -> Float[np.ndarray, "replicate time"]:
    """Indices of stationary-bootstrap replicates: blocks of geometric length, wrapped around.

    Source: Politis & Romano (1994), J. Am. Stat. Assoc. 89, 1303.
    """
    start = rng.integers(time, size=(replicates, time))
    fresh = rng.random((replicates, time)) < 1 / length
    fresh[:, 0] = True
    began = np.maximum.accumulate(np.where(fresh, np.arange(time), 0), axis=1)
    return (np.take_along_axis(start, began, 1) + np.arange(time) - began) % time


def stationary_bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    series: Series,
    level: float = 0.95,
    replicates: int = 2000,
    seed: int = 0,
) -> tuple[Cells, Cells, Cells]:
    """Percentile interval of any statistic of resampled cycles, and the p-value of its sign.

    All cells share the resampled cycles. Too narrow for fewer than about 200 cycles: at 5 % and an
    autocorrelation of 0.6 it rejects 0.25 of true hypotheses at 30 cycles and 0.10 at 365.

    Arguments:
        statistic: Function from indices of cycles (replicate, time) to the statistic
            (replicate, *cells).
        series: Series that the block length is chosen from.
        level: Level of the interval.
        replicates: Number of times that cycles are drawn.
        seed: Seed of the draws.
    Returns:
        Lower and upper end, and the p-value.
    """
    rng = np.random.default_rng(seed)
    time = series.shape[-1]
    values = statistic(resample(rng, time, block_length(series), replicates))
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    below = (1 + (values <= 0).sum(0)) / (1 + replicates)
    above = (1 + (values >= 0).sum(0)) / (1 + replicates)
    return low, high, np.minimum(1.0, 2 * np.minimum(below, above))
