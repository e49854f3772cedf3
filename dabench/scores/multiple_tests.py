"""Many tests at once: p-values that allow for how many differences were looked at."""

import numpy as np
from jaxtyping import Float

P = Float[np.ndarray, "test"]
CORRECTIONS = ("bh", "sidak", "none")
"""What may decide what counts as significant: `benjamini_hochberg`, `sidak`, or p alone."""


def benjamini_hochberg(p: P) -> P:
    """Adjusted p-values: those below q are expected to hold a share q of false ones at most.

    NaN stays NaN and does not count as a test.

    Source: Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57, 289; Wilks (2016), BAMS 97, 2263.
    """
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(-p[known], kind="stable")]
    m = len(order)
    adjusted = np.full(len(p), np.nan)
    steps = p[order] * m / np.arange(m, 0, -1)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps))
    return adjusted


def sidak(p: P, tests: float) -> P:
    """1 - (1 - p)^tests: how probable so small a p is among so many independent tests."""
    with np.errstate(divide="ignore"):
        return -np.expm1(tests * np.log1p(-p))


def independent_tests(series: Float[np.ndarray, "test time"]) -> float:
    """How many independent tests correlated ones amount to, from the eigenvalues of correlations.

    (sum sqrt(lambda))^2 / sum(lambda), at least 1, at most the number of tests, nor more than the
    series are long, less one. Series that do not vary count as no test.

    Source: Galwey (2009), Genet. Epidemiol. 33, 559.
    """
    d = series - series.mean(-1, keepdims=True)
    norm = np.sqrt((d**2).sum(-1, keepdims=True))
    known = (norm[:, 0] > 0) & np.isfinite(norm[:, 0])
    if not known.any():
        return 1.0
    lam = np.linalg.svd(d[known] / norm[known], compute_uv=False) ** 2
    return float(max(1.0, np.sqrt(lam).sum() ** 2 / lam.sum()))
