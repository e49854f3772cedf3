"""What fewer evaluations and products cost in accuracy, where the posterior is known exactly.

The target is Gaussian: 64 sites, correlated over three of them, every fourth observed with an error
of 0.1 standard deviations. Samplers are linear in their noise there, so that the covariance of
their draws is had without drawing.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from benchmarks.race import Row
from dabench.core.layout import Channel, Layout
from dabench.diffusion.draw import combine, with_memory
from dabench.diffusion.guidance import GuidanceSettings, posterior_mean, prepare
from dabench.diffusion.krylov import solve
from dabench.diffusion.model import Sampler
from dabench.diffusion.samplers import noise_levels, steps
from dabench.scenario.baseline import load_baseline
from dabench.systems.toys.additive_gaussian import AdditiveGaussian, ring_correlation

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

PROFILES = (None, "fast", "paper-2025", "paper-2026")
PAIRS = 4000  # so that the variance of a site has a standard error of 2 %, and of all of 0.4 %

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
    for profile in PROFILES:
        yield _row("FA-APF's draws", profile or "default", draws(profile))


def draws(profile: str | None) -> dict[str, float]:
    """What FA-APF's draws on ERA5 cost, and how they differ from the posterior, by profile.

    Mean errors are over the increment's size; those of a target with a mean of one standard
    deviation over the posterior's standard deviation, root mean square.
    """
    arguments = load_baseline("fa_apf", "era5/temp_4deg", profile=profile).arguments
    sampler, guidance = arguments["sampler"], arguments["guidance"]
    evaluations = len(steps(sampler).sigma)
    centred, shifted = guided(sampler, guidance, 0.0), guided(sampler, guidance, 1.0)
    return {
        "evaluations": evaluations,
        "products": evaluations * guidance.products,
        "mean error": round(centred.mean_error, 4),
        "lost mean": round(shifted.mean_deviations, 4),
        "variance": round(centred.variance, 3),
        "variance observed": round(centred.variance_observed, 3),
    }


class Differences(NamedTuple):
    """How draws differ from the exact posterior.

    Arguments:
        mean_error: Of the mean, over the size of the increment.
        mean_deviations: Of the mean, root mean square over standard deviations.
        variance, variance_observed: Ratios drawn to exact, of totals and at observed sites.
    """

    mean_error: float
    mean_deviations: float
    variance: float
    variance_observed: float


def guided(sampler: Sampler, guidance: GuidanceSettings, mean: float) -> Differences:
    """Draws given one y, from a target with a mean; noise comes in pairs of both signs."""
    layout = Layout((Channel("state"),), {"site": np.arange(SIZE)}, periodic=True)
    model = AdditiveGaussian(layout, lambda x: 0 * x, P, intercept=np.full(SIZE, mean))
    rng = np.random.default_rng(1)
    y = H @ (mean + np.linalg.cholesky(P) @ rng.standard_normal(SIZE))
    y = y + STD * rng.standard_normal(len(H))
    climate = jnp.asarray(mean + rng.multivariate_normal(np.zeros(SIZE), P, 4000), jnp.float32)
    std = np.full(len(H), STD)
    condition = prepare(model, lambda x: x[::4], std, guidance, climate)
    condition = condition._replace(y=jnp.asarray(y, jnp.float32))
    x = jnp.zeros((2 * PAIRS, SIZE), jnp.float32)

    def denoise(sigma: Array, z: Array) -> Array:
        D = model.denoiser(sigma)
        return posterior_mean(model, condition, lambda z: D(z, ()), sigma, z, x)[0]

    z = np.asarray(_integrate(sampler, denoise), float)
    gain = P @ H.T @ np.linalg.inv(H @ P @ H.T + STD**2 * np.eye(len(H)))
    increment, variance = gain @ (y - mean), np.diag(posterior(P))
    error, ratio = z.mean(0) - mean - increment, z.var(0) / variance
    return Differences(
        float(np.linalg.norm(error) / np.linalg.norm(increment)),
        float(np.sqrt(np.mean(error**2 / variance))),
        float(z.var(0).sum() / variance.sum()),
        float(ratio[::4].mean()),
    )


def _integrate(sampler: Sampler, denoise: Callable[[Array, Array], Array]) -> Array:
    """The samples that a sampler ends with, of pairs of noise."""
    table = steps(sampler)
    rows = [jnp.asarray(a, jnp.float32) for a in (table.sigma, table.noise, table.mix)]

    def noise(i: Array) -> Array:
        e = jax.random.normal(jax.random.fold_in(jax.random.key(0), i), (PAIRS, SIZE))
        return jnp.concatenate([e, -e])

    def advance(state: tuple[Array, ...], row: Any) -> tuple[tuple[Array, ...], None]:
        (sigma, factor, mix), number = row
        z = state[0] + factor * noise(number)
        return combine(mix, (z, *state[1:], denoise(sigma, z))), None

    @jax.jit
    def integrate() -> Array:
        start = with_memory(jnp.float32(table.start) * noise(jnp.int32(0)), table)
        numbers = jnp.arange(1, len(table.sigma) + 1)
        return jax.lax.scan(advance, start, (rows, numbers))[0][0]

    return integrate()


def variance_ratio(sampler: Sampler, law: Gaussian) -> float:
    """Total variance of what a sampler draws from a law, over the law's."""
    return round(float(np.trace(drawn_cov(sampler, law)) / np.trace(law.cov)), 3)


def drawn_cov(sampler: Sampler, law: Gaussian) -> Matrix:
    """Covariance of the sampler's last z.

    Every matrix of a step is a function of the law's covariance. In its eigenvectors they are
    diagonal, and z and its memory have one small covariance (slot, slot) an eigenvalue.
    """
    values, vectors = np.linalg.eigh(law.cov)
    table = steps(sampler)
    slots = table.mix.shape[1]
    joint = np.zeros((SIZE, slots, slots))
    joint[:, 0, 0] = table.start**2
    for sigma, noise, mix in zip(table.sigma, table.noise, table.mix, strict=True):
        joint[:, 0, 0] += noise**2
        step = np.tile(mix[:, :slots], (SIZE, 1, 1))
        step[:, :, 0] += np.outer(values / (values + sigma**2), mix[:, slots])
        joint = step @ joint @ step.swapaxes(1, 2)
    return vectors * joint[:, 0, 0] @ vectors.T


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
