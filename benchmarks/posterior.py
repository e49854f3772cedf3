"""What fewer evaluations and products cost in accuracy, where the posterior is known exactly.

The target is Gaussian: 64 sites, correlated over three of them, every fourth observed with an error
of 0.1 standard deviations. Samplers are linear in their noise there, so that the covariance of
their draws is had without drawing.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from benchmarks.race import Row
from dabench.diffusion.krylov import solve
from dabench.diffusion.model import Sampler
from dabench.diffusion.samplers import noise_levels, steps
from dabench.systems.toys.additive_gaussian import ring_correlation

SIZE, STD = 64, 0.1
P = ring_correlation(SIZE, 3.0)
H = np.eye(SIZE)[::4]
LEVELS = Sampler("dpmpp_2m", 12, 60.0, 0.01)

SAMPLERS = {
    "paper: ab3, 40 levels, 2 correctors": Sampler(correctors=2),
    "ab3, 40 levels": Sampler(),
    "ab3, 20 levels": Sampler(levels=20),
    "dpmpp_2s, 20 levels, GenCast's": Sampler("dpmpp_2s", 20, 80.0, 0.03, churn=2.5),
    "dpmpp_2m, 20 levels": Sampler("dpmpp_2m", 20, 60.0, 0.01),
    "dpmpp_2m, 12 levels": LEVELS,
    "dpmpp_3m, 12 levels": Sampler("dpmpp_3m", 12, 60.0, 0.01),
    **{
        f"dpmpp_3m, {n} levels from the mean": Sampler(
            "dpmpp_3m", n, 8.0, 0.01, rho=20.0, from_mean=True
        )
        for n in (12, 8, 7)
    },
}

Matrix = Float[np.ndarray, "row column"]


class Gaussian(NamedTuple):
    """A law that is denoised exactly."""

    cov: Matrix

    def denoiser(self, sigma: float) -> Matrix:
        """G of D(z) = G z."""
        return np.linalg.solve(self.cov + sigma**2 * np.eye(SIZE), self.cov)


def posterior(cov: Matrix) -> Matrix:
    """The covariance given y."""
    gain = cov @ H.T @ np.linalg.inv(H @ cov @ H.T + STD**2 * np.eye(len(H)))
    return cov - gain @ H @ cov


def run(quick: bool, rounds: int) -> Iterator[Row]:
    """Variances of draws over the exact ones, and residuals of solves from nothing or the last."""
    for name, sampler in SAMPLERS.items():
        prior, given = variance_ratio(sampler, Gaussian(P)), variance_ratio(sampler, _given_y())
        notes = {"evaluations": len(steps(sampler).sigma)}
        notes |= {"variance of forecasts": prior, "of posterior draws": given}
        yield _row("Gaussian draws", name, notes)
    yield from solver_rows()


def variance_ratio(sampler: Sampler, law: Gaussian) -> float:
    """Total variance of what a sampler draws from a law, over the law's."""
    return round(float(np.trace(drawn_cov(sampler, law)) / np.trace(law.cov)), 3)


def drawn_cov(sampler: Sampler, law: Gaussian) -> Matrix:
    """Of the sampler's last z: the joint covariance of z and its memory, step by step."""
    table = steps(sampler)
    slots = table.mix.shape[1]
    joint = np.zeros((slots, SIZE, slots, SIZE))
    joint[0, :, 0, :] = table.start**2 * np.eye(SIZE)
    for sigma, noise, mix in zip(table.sigma, table.noise, table.mix, strict=True):
        joint[0, :, 0, :] += noise**2 * np.eye(SIZE)
        step = np.einsum("as,ij->aisj", mix[:, :slots], np.eye(SIZE))
        step[:, :, 0, :] += mix[:, slots][:, None, None] * law.denoiser(sigma)[None]
        step = step.reshape(slots * SIZE, slots * SIZE)
        joint = step @ joint.reshape(slots * SIZE, -1) @ step.T
        joint = joint.reshape(slots, SIZE, slots, SIZE)
    return joint[0, :, 0, :]


def _given_y() -> Gaussian:
    return Gaussian(posterior(P))


def solver_rows() -> Iterator[Row]:
    """Relative residuals after one to three products at a level.

    A solve that begins with the last level's solution spends a product on its first residual.
    """
    high, low = noise_levels(LEVELS)[-5:-3]
    rng = np.random.default_rng(0)
    target = rng.multivariate_normal(np.zeros(SIZE), P, 256)
    e = rng.standard_normal(target.shape)
    y = target @ H.T + STD * rng.standard_normal((256, len(H)))
    before = solved(high, target + high * e, y, 50)[1]
    for products in (1, 2, 3):
        cold = solved(low, target + low * e, y, products)[0]
        warm = solved(low, target + low * e, y, products - 1, before)[0]
        notes = {"residual from nothing": cold, "from the last level": warm}
        yield _row(f"CG from sigma {high:.2g} to {low:.2g}", f"{products} products", notes)


def solved(
    sigma: float, z: Matrix, y: Matrix, iterations: int, start: Matrix | None = None
) -> tuple[float, Matrix]:
    """Mean relative residual, and u of (R + H V Hᵀ) u = y - H D in whitened observations."""
    G = Gaussian(P).denoiser(sigma)
    A = np.eye(len(H)) + H @ (sigma**2 * G) @ H.T / STD**2
    b = (y - z @ G.T @ H.T) / STD
    begun = np.zeros_like(b) if start is None else start
    left = b - begun @ A

    def apply(u: Float[Array, "member obs"]) -> tuple[Array, Array]:
        return u @ jnp.asarray(A), u

    found = begun
    if iterations:
        found = begun + np.asarray(solve(apply, jnp.asarray(left), "cg", iterations).image)
    norm = np.linalg.norm(b - found @ A, axis=1) / np.linalg.norm(b, axis=1)
    return round(float(norm.mean()), 4), found


def _row(comparison: str, candidate: str, notes: dict[str, float]) -> Row:
    """Nothing is timed here."""
    nothing = float("nan")
    return Row(comparison, candidate, nothing, nothing, nothing, nothing, 0, notes)
