"""A linear-Gaussian system on a ring, for which every method has an exact answer."""

from functools import partial
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from jaxtyping import Array, Float, Key

from dabench.core.bounds import NotNegative, Number, Positive
from dabench.core.digest import sha256
from dabench.core.layout import Channel, Layout
from dabench.core.random import stream
from dabench.systems import perturbations
from dabench.systems.base import System
from dabench.systems.toys.additive_gaussian import AdditiveGaussian, NoiseCov, ring_correlation

CLIMATE_DRAWS = 512  # states of the climate


def transition(size: int, damping: float, speed: Number, diffusion: float) -> np.ndarray:
    """The matrix A: a cycle of damped advection and diffusion on a ring, exact in wavenumbers.

    Arguments:
        damping: Factor on the mean in one cycle, below 1.
        speed: Sites travelled in one cycle; need not be a whole number.
        diffusion: Variance of the smoothing in one cycle, in squared sites.
    """
    k = 2 * np.pi * np.fft.fftfreq(size)
    response = damping * np.exp(-1j * k * speed - 0.5 * diffusion * k**2)
    row = np.fft.ifft(response).real
    return row[(np.arange(size)[:, None] - np.arange(size)[None]) % size]


def stationary_cov(A: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """The covariance P = A P Aᵀ + Q, by doubling (Smith's method)."""
    P = Q
    while np.abs(A).max() > 1e-18:
        P, A = P + A @ P @ A.T, A @ A
    return P


def linear_gaussian(
    *,
    size: Annotated[int, Ge(3), Le(10_000)] = 64,
    damping: Annotated[float, Gt(0), Lt(1)] = 0.95,
    speed: Number = 1.0,
    diffusion: NotNegative = 0.1,
    noise_std: Positive = 0.5,
    noise_length: NotNegative = 3.0,
    noise_cov: NoiseCov = "identity",
    noise_cov_scale: Positive = 1.0,
    noise_cov_length: NotNegative = 1.0,
    intercept: Number | None = None,
) -> System:
    """x' = A x + b + q, q ~ N(0, Q), on a ring; the truth starts from the stationary distribution.

    Arguments:
        size: Number of sites.
        damping, speed, diffusion: Parameters of A, see `transition`.
        noise_std, noise_length: Standard deviation of q in state units, and its length in sites.
        noise_cov: Covariance C of the diffusion noise: the identity, or correlated along the ring.
        noise_cov_scale, noise_cov_length: Standard deviation and length (sites) of a correlated C.
        intercept: b, the same at every site, in state units: what a denoiser has to find as the
            mean of its target. None: no such constant.
    """
    settings = {
        "size": size,
        "damping": damping,
        "speed": speed,
        "diffusion": diffusion,
        "noise_std": noise_std,
        "noise_length": noise_length,
        "noise_cov": noise_cov,
        "noise_cov_scale": noise_cov_scale,
        "noise_cov_length": noise_cov_length,
        "noise_root": "symmetric",  # draws by another root were of another truth
    }
    if intercept is not None:
        settings["intercept"] = intercept
    layout = Layout((Channel("state"),), {"site": np.arange(size)}, periodic=True, dtype="float64")
    A = transition(size, damping, speed, diffusion)
    Q = noise_std**2 * ring_correlation(size, noise_length)
    C = noise_cov_scale**2 * ring_correlation(size, noise_cov_length)
    model = AdditiveGaussian(
        layout,
        lambda x: jnp.asarray(A, x.dtype) @ x,
        Q,
        C if noise_cov == "correlated" else None,
        None if intercept is None else np.full(size, intercept),
        linear=True,
    )
    mean = (intercept or 0.0) / (1 - damping)
    dtype = jax.dtypes.canonicalize_dtype(layout.dtype)
    root = jnp.asarray(np.linalg.cholesky(stationary_cov(A, Q)), dtype)
    draws = np.random.default_rng(0).standard_normal((CLIMATE_DRAWS, size))
    return System(
        name="linear_gaussian",
        model=model,
        truth=lambda seed, cycles: simulate(stream(seed, "truth"), mean, root, model, cycles),
        climate=mean + jnp.asarray(draws, dtype) @ root.T,
        perturb=perturbations.white,
        cycle_seconds=1.0,
        digest=sha256(settings),
    )


@partial(jax.jit, static_argnames=("model", "cycles"))
def simulate(
    key: Key[Array, ""],
    start_mean: float,
    start_root: Float[Array, "state state"],
    model: AdditiveGaussian,
    cycles: int,
) -> Float[Array, "time state"]:
    """States at the cycles 0 to `cycles`, the first from N(start_mean, start_root start_rootᵀ)."""
    keys = jax.random.split(key, cycles + 1)
    white = jax.random.normal(keys[0], start_root.shape[:1], start_root.dtype)
    start = start_mean + start_root @ white

    def advance(x, key):
        x = model.forecast(key[None], x[None], jnp.zeros((), x.dtype))[0]
        return x, x

    return jnp.concatenate([start[None], jax.lax.scan(advance, start, keys[1:])[1]])
