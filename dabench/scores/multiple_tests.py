"""Many tests at once: p-values that allow for the number of differences looked at."""

import numpy as np
from jaxtyping import Float
from scipy import stats

PValues = Float[np.ndarray, "test"]

CORRECTIONS = ("bh", "sidak", "none")
"""What may decide about significance: `benjamini_hochberg`, `sidak`, or the p-value alone."""


def benjamini_hochberg(p: PValues) -> PValues:
    """Adjusted p-values: among those below q, a share q of false ones is expected at most.

    NaN stays NaN and does not count as a test.

    Source: Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289; Wilks (2016), BAMS 97, 2263.
    """
    tested = np.isfinite(p)
    adjusted = np.full(len(p), np.nan)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p[tested])
    return adjusted


def sidak(p: PValues, tests: float) -> PValues:
    """1 - (1 - p)^tests: the probability of so small a p among so many independent tests."""
    with np.errstate(divide="ignore"):
        return -np.expm1(tests * np.log1p(-p))


def independent_tests(series: Float[np.ndarray, "test time"]) -> float:
    """Number of independent tests that correlated ones amount to, from eigenvalues of correlations.

    (sum sqrt(lambda))^2 / sum(lambda), at least 1, at most the number of tests, nor more than the
    series are long, less one. Series that do not vary count as no test.

    Source: Galwey (2009), Genet. Epidemiol. 33, 559.
    """
    d = series - series.mean(-1, keepdims=True)
    norm = np.sqrt((d**2).sum(-1, keepdims=True))
    varies = (norm[:, 0] > 0) & np.isfinite(norm[:, 0])
    if not varies.any():
        return 1.0
    lam = np.linalg.svd(d[varies] / norm[varies], compute_uv=False) ** 2
    return float(max(1.0, np.sqrt(lam).sum() ** 2 / lam.sum()))
