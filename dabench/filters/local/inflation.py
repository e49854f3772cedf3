"""Inflation of an analysis ensemble and its random rotation; none of them moves the mean."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.core.errors import UserError
from dabench.core.types import Members
from dabench.filters.local.moments import anomalies


def multiply(x: Members, factor: float) -> Members:
    """Multiplicative inflation: anomalies times a factor."""
    return x if factor == 1 else x + (factor - 1) * anomalies(x)


def relax_to_prior_spread(x: Members, prior: Members, alpha: float) -> Members:
    """RTPS: X' (1 + alpha (s_b - s) / s), s and s_b the standard deviations after and before.

    A variable without spread after the analysis stays without.
    Source: Whitaker & Hamill (2012), MWR 140, equation 2.
    """
    if alpha == 0:
        return x
    deviations = anomalies(x)
    s, s_b = (jnp.sqrt((d**2).sum(0)) for d in (deviations, anomalies(prior)))
    factor = jnp.where(s > 0, alpha * (s_b - s) / jnp.where(s > 0, s, 1), 0)
    return x + factor[None] * deviations


def relax_to_prior_perturbations(x: Members, prior: Members, alpha: float) -> Members:
    """RTPP: (1 - alpha) X' + alpha X'_b, of the anomalies after and before.

    Source: Zhang, Snyder & Sun (2004), MWR 132, 1238-1253.
    """
    return x + alpha * (anomalies(prior) - anomalies(x)) if alpha else x


class AnalysisInflation(NamedTuple):
    """Inflation of an analysis ensemble: a relaxation to the prior, then a factor on anomalies."""

    factor: float
    rtps: float
    rtpp: float

    def __call__(self, x: Members, prior: Members) -> Members:
        """The inflated analysis; both arguments hold all members at the same points."""
        x = relax_to_prior_spread(x, prior, self.rtps)
        return multiply(relax_to_prior_perturbations(x, prior, self.rtpp), self.factor)


def analysis_inflation(factor: float, rtps: float, rtpp: float) -> AnalysisInflation:
    """The inflation of a filter's settings; UserError where they relax twice."""
    if rtps and rtpp:
        raise UserError(
            f"filter.rtpp: {rtpp:g} relaxes to the prior's perturbations and rtps: {rtps:g} to its "
            "spread; set one of them to 0"
        )
    return AnalysisInflation(factor, rtps, rtpp)


def rotate(key: Key[Array, ""], x: Members) -> Members:
    """Anomalies times a random orthogonal matrix that keeps the ones vector (Haar on the rest)."""
    basis = jnp.asarray(complement_of_ones(len(x)), x.dtype)
    q, r = jnp.linalg.qr(jax.random.normal(key, (len(x) - 1,) * 2, x.dtype))
    q = q * jnp.sign(jnp.diag(r))[None]
    deviations = anomalies(x)
    return x - deviations + basis @ (q @ (basis.T @ deviations))


def complement_of_ones(n: int) -> Float[np.ndarray, "n n-1"]:
    """Orthonormal columns, all orthogonal to the ones vector (Helmert's)."""
    columns = np.triu(np.ones((n, n - 1)))
    columns[np.arange(1, n), np.arange(n - 1)] = -np.arange(1.0, n)
    return columns / np.linalg.norm(columns, axis=0)


class Consistency(NamedTuple):
    """Innovation statistics of each unit and level: tapered sums over its local observations.

    Arguments:
        innovation: Σ ρ d²/R of the innovations d of the ensemble mean.
        spread: Σ ρ s²/R of the ensemble variances s² of h(x), before inflation.
        count: Σ ρ, the effective number of observations.
    """

    innovation: Float[Array, "*unit"]
    spread: Float[Array, "*unit"]
    count: Float[Array, "*unit"]


PRIOR_VARIANCE = 0.04**2  # error variance of last cycle's inflation, as in Miyoshi (2011)
SMALLEST = 0.5  # lower limit of the estimate, so that no ensemble collapses


def adapt(inflation: Float[Array, "*unit"], sums: Consistency) -> Float[Array, "*unit"]:
    """Covariance inflation λ after a cycle's innovations, a Gaussian estimate for each unit.

        λ_o = (a - p) / b      v_o = 2 / p ((λ b + p) / b)²      a, b, p = Σ ρ d²/R, Σ ρ s²/R, Σ ρ

    is combined with last cycle's λ, of error variance 0.04². The result is at least a half; where
    nothing is observed λ stays as it is.
    Source: Miyoshi (2011), MWR 139, section 3.
    """
    d, s, p = sums
    gain = PRIOR_VARIANCE * p * s
    bottom = gain * s + 2 * (inflation * s + p) ** 2
    change = gain * (d - p - inflation * s) / jnp.where(p > 0, bottom, 1)
    return jnp.maximum(inflation + jnp.where(p > 0, change, 0), SMALLEST)
