"""Samplers of a diffusion model as tables, which `draw` runs.

A step is one denoiser evaluation: it adds some noise to z, evaluates D, and replaces (z, memory) by
linear combinations of (z, memory, D).
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.polynomial import Polynomial

from dabench.diffusion.model import Sampler


class Steps(NamedTuple):
    """The steps of a sampler, a row an evaluation.

    Arguments:
        start: Factor of the noise that z starts from.
        sigma: Noise level of the evaluation.
        noise: Factor of the noise that is added to z before it.
        mix: Weights of (z, memory.., D) in the new (z, memory..).
    """

    start: float
    sigma: Float[np.ndarray, "step"]
    noise: Float[np.ndarray, "step"]
    mix: Float[np.ndarray, "step slot inputs"]


def noise_levels(sampler: Sampler) -> Float[np.ndarray, "level"]:
    """Descending noise levels above zero (Karras et al. 2022, arXiv:2206.00364, equation 5)."""
    u = np.linspace(0, 1, sampler.levels)
    low, high = sampler.sigma_min ** (1 / sampler.rho), sampler.sigma_max ** (1 / sampler.rho)
    return (high + u * (low - high)) ** sampler.rho


def steps(sampler: Sampler) -> Steps:
    """The table of a sampler."""
    levels = noise_levels(sampler)
    if sampler.method == "dpmpp_2s":
        rows = _dpmpp_2s(sampler, levels)
    else:
        method = {"ab3": _ab3, "dpmpp_2m": _dpmpp_2m, "dpmpp_3m": _dpmpp_3m}[sampler.method]
        rows = _with_correctors(method(levels), sampler)
    sigma, noise, mix = (np.array(a) for a in zip(*rows, strict=True))
    if sampler.from_mean:
        mix[0, :, -1] += mix[0, :, 0]  # the first step is made from D + sigma e
    if sampler.last == "mean":
        mix[-1] = 0
        mix[-1, 0, -1] = 1
    return Steps(levels[0], sigma, noise, mix)


Row = tuple[float, float, np.ndarray]


def _ab3(sigma: np.ndarray) -> list[Row]:
    """Adams-Bashforth of order 1, 2, 3, 3, .. for dz/dσ = (z - D) / σ; two slopes remembered."""
    rows = []
    for i, s in enumerate(sigma):
        end = sigma[i + 1] if i + 1 < len(sigma) else 0.0
        b = np.zeros(3)
        nodes = sigma[max(i - 2, 0) : i + 1][::-1]
        b[: len(nodes)] = _adams_weights(nodes, s, end)
        slope = np.array([1 / s, 0, 0, -1 / s])
        z = np.array([1, b[1], b[2], 0]) + b[0] * slope
        rows.append((s, 0.0, np.stack([z, slope, [0, 1, 0, 0]])))
    return rows


def _adams_weights(nodes: np.ndarray, start: float, end: float) -> np.ndarray:
    """Integrals of the nodes' Lagrange polynomials from start to end."""
    integrals = [_lagrange(nodes, j).integ() for j in range(len(nodes))]
    return np.array([integral(end) - integral(start) for integral in integrals])


def _lagrange(nodes: np.ndarray, j: int) -> Polynomial:
    """The polynomial that is 1 at node j and 0 at the others."""
    others = np.delete(nodes, j)
    zero_at_others = math.prod((Polynomial([-x, 1]) for x in others), start=Polynomial([1]))
    return zero_at_others / np.prod(nodes[j] - others)


def _dpmpp_2m(sigma: np.ndarray) -> list[Row]:
    """DPM-Solver++(2M) (Lu et al. 2022, arXiv:2211.01095, algorithm 2); one D remembered."""
    rows, h = [], -np.diff(np.log(sigma))
    for i, s in enumerate(sigma):
        ratio = sigma[i + 1] / s if i + 1 < len(sigma) else 0.0
        past = h[i] / (2 * h[i - 1]) if 0 < i < len(h) else 0.0
        z = [ratio, -(1 - ratio) * past, (1 - ratio) * (1 + past)]
        rows.append((s, 0.0, np.array([z, [0, 0, 1]])))
    return rows


def _dpmpp_3m(sigma: np.ndarray) -> list[Row]:
    """DPM-Solver++ of order 1, 2, 3, 3, ..: exact where D is a quadratic in log sigma.

    With l = -ln sigma, z(l1) = e^(l0 - l1) z(l0) + int e^(l - l1) D dl, D by the last three D's;
    two of them are remembered.
    """
    rows, l = [], -np.log(sigma)
    for i, s in enumerate(sigma):
        z = np.array([0.0, 0, 0, 1])
        if i + 1 < len(sigma):
            nodes = l[max(i - 2, 0) : i + 1][::-1]
            weights = np.zeros(3)
            weights[: len(nodes)] = _exponential_weights(nodes, l[i], l[i + 1])
            z = np.array([sigma[i + 1] / s, weights[1], weights[2], weights[0]])
        rows.append((s, 0.0, np.stack([z, [0, 0, 0, 1], [0, 1, 0, 0]])))
    return rows


def _exponential_weights(nodes: np.ndarray, start: float, end: float) -> np.ndarray:
    """Integrals of e^(l - end) times the nodes' Lagrange polynomials from start to end."""
    x, w = np.polynomial.legendre.leggauss(20)
    l = start + (end - start) * (x + 1) / 2
    w = w * (end - start) / 2 * np.exp(l - end)
    return np.array([w @ _lagrange(nodes, j)(l) for j in range(len(nodes))])


def _dpmpp_2s(sampler: Sampler, sigma: np.ndarray) -> list[Row]:
    """DPM-Solver++(2S) as GenCast has it, with stochastic churn; the churned z is remembered.

    The last level takes one evaluation: the second would be at sigma = 0 and change nothing.
    """
    gamma = min(sampler.churn / len(sigma), np.sqrt(2) - 1)
    rows = []
    for i, s in enumerate(sigma):
        high = s * (1 + gamma * (s >= sampler.churn_min))
        noise = sampler.inflation * np.sqrt(high**2 - s**2)
        end = sigma[i + 1] if i + 1 < len(sigma) else 0.0
        middle = np.sqrt(high * end)
        rows.append((high, noise, np.array([[middle / high, 0, 1 - middle / high], [1, 0, 0]])))
        if end:
            rows.append((middle, 0.0, np.array([[0, end / high, 1 - end / high], [0, 0, 0]])))
    return rows


def _with_correctors(rows: list[Row], sampler: Sampler) -> list[Row]:
    """The rows with Langevin steps z + τ (D - z) + sqrt(2 τ) σ e before or after each of them.

    A step that follows its predictor is made at the level that the predictor leads to, and the last
    predictor has none. The noise of a Langevin step is added by the row after it.
    """
    slots = rows[0][2].shape[0]
    langevin = np.eye(slots, slots + 1)
    langevin[0, 0], langevin[0, -1] = 1 - sampler.tau, sampler.tau

    def at(sigma: float) -> list[Row]:
        level = sigma + sampler.corrector_shift
        return [(level, np.sqrt(2 * sampler.tau) * level, langevin)] * sampler.correctors

    corrected: list[Row] = []  # with the noise that each row leaves to the next
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        if sampler.corrector_at == "before":
            corrected += [*at(row[0]), row]
        else:
            corrected += [row, *(at(following[0]) if following else [])]
    left = [0.0, *(noise for _, noise, _ in corrected)]
    return [(sigma, noise, mix) for noise, (sigma, _, mix) in zip(left, corrected, strict=False)]
