"""Models with additive Gaussian noise: any deterministic map becomes an exact diffusion model."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.core.layout import Layout
from dabench.core.types import Keys, Members, Time
from dabench.diffusion.model import NoiseFactor, Sampler

NoiseCov = Literal["identity", "correlated"]


@dataclass(eq=False)
class AdditiveGaussian:
    r"""x' = M(x) + q, q ~ N(0, Q), with its exact denoiser; a `DiffusionModel`.

    The target is the residual in units of its standard deviation, S⁻¹ (x' - M(x)) ~ N(0, P) with
    S² = diag Q and P = S⁻¹ Q S⁻¹. From z = target + σ e, e ~ N(0, C),

        E[target | z] = P (P + σ² C)⁻¹ z = F diag(λ / (λ + σ²)) F⁻¹ z,   C = F Fᵀ,  P = F diag(λ) Fᵀ

    Arguments:
        layout: Layout of the state.
        step: M, one member (state,) -> (state,), differentiable where a filter needs it to be.
        model_cov: Q (state, state), in squared state units, with a positive diagonal.
        noise_cov_matrix: C (state, state), positive definite; None means the identity.
        intercept: b (state,) of x' = M(x) + b + q, in state units. The target keeps it, as that of
            a learned denoiser does, and has the mean S⁻¹ b; None: no such constant.
        linear: Whether M is linear (without a constant), so that the Kalman filter is exact.
        sampler: Default sampler of guided draws; `forecast` is exact and needs none.
    """

    layout: Layout
    step: Callable[[Float[Array, "state"]], Float[Array, "state"]]
    model_cov: np.ndarray
    noise_cov_matrix: np.ndarray | None = None
    intercept: np.ndarray | None = None
    linear: bool = False
    sampler: Sampler = Sampler()  # noqa: RUF009 (frozen itself)

    @property
    def target_size(self) -> int:
        """Number of variables of the residual."""
        return self.layout.size

    @cached_property
    def scale(self) -> np.ndarray:
        """S, the standard deviation of q for every variable."""
        return np.sqrt(np.diag(self.model_cov))

    @cached_property
    def _correlation(self) -> np.ndarray:
        """P of the class docstring."""
        return self.model_cov / np.outer(self.scale, self.scale)

    @cached_property
    def _forecast_root(self) -> np.ndarray:
        """The square root of P that colours forecasts."""
        return symmetric_root(self._correlation)

    def _mean(self, dtype: jnp.dtype) -> Float[Array, "#member target"]:
        """The target's mean S⁻¹ b, for every member."""
        b = np.zeros(self.layout.size) if self.intercept is None else self.intercept
        return jnp.asarray(b / self.scale, dtype)[None]

    @cached_property
    def _noise_root(self) -> np.ndarray:
        """A square root of C."""
        C = self.noise_cov_matrix
        return np.eye(self.layout.size) if C is None else np.linalg.cholesky(C)

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """λ, F and F⁻¹ of the class docstring."""
        root = self._noise_root
        whitened = np.linalg.solve(root, np.linalg.solve(root, self._correlation).T)
        lam, U = np.linalg.eigh(whitened)
        return np.maximum(lam, 0.0), root @ U, np.linalg.solve(root.T, U).T

    def _advance(self, x: Members) -> Members:
        return jax.vmap(self.step)(x)

    def forecast(self, keys: Keys, x: Members, time: Time) -> Members:
        """Exact draws of x'."""
        white = jax.vmap(lambda k: jax.random.normal(k, x.shape[1:], x.dtype))(keys)
        target = white @ jnp.asarray(self._forecast_root, x.dtype)
        if self.intercept is not None:
            target = self._mean(x.dtype) + target
        return self.next_state(target, x)

    def condition(self, x: Members, time: Time) -> tuple[()]:
        """Nothing: the residual does not depend on x."""
        return ()

    def denoiser(self, sigma: Float[Array, ""]) -> Callable[[Array, tuple[()]], Array]:
        """D at one noise level, exact."""
        lam, F, inverse = self._modes

        def denoise(z: Float[Array, "member target"], _: tuple[()]) -> Array:
            level = jnp.asarray(sigma, z.dtype)
            to_modes, from_modes = jnp.asarray(inverse.T, z.dtype), jnp.asarray(F.T, z.dtype)
            shrink = jnp.asarray(lam, z.dtype)
            shrink = shrink / (shrink + level**2)
            if self.intercept is None:
                return (z @ to_modes * shrink[None]) @ from_modes
            mean = self._mean(z.dtype)
            return mean + ((z - mean) @ to_modes * shrink[None]) @ from_modes

        return denoise

    def noise(self, key: Key[Array, ""]) -> Float[Array, "target"]:
        """One draw of e ~ N(0, C)."""
        dtype = jax.dtypes.canonicalize_dtype(self.layout.dtype)
        white = jax.random.normal(key, (self.target_size,), dtype)
        C = self.noise_cov_matrix
        return white if C is None else jnp.asarray(self._noise_root, dtype) @ white

    def noise_cov(self, w: Float[Array, "member target"]) -> Float[Array, "member target"]:
        """C w, row by row."""
        C = self.noise_cov_matrix
        return w if C is None else w @ jnp.asarray(C, w.dtype)

    @property
    def noise_factor(self) -> NoiseFactor:
        """B of C = B Bᵀ, for the state as one field."""
        root, n = self._noise_root, self.target_size
        return NoiseFactor(
            *(1, n, n),
            lambda w: w @ jnp.asarray(root.T, w.dtype),
            lambda z: z @ jnp.asarray(root, z.dtype),
        )

    def next_state(self, z: Float[Array, "member target"], x: Members) -> Members:
        """M(x) + S z."""
        return self._advance(x) + jnp.asarray(self.scale, z.dtype)[None] * z


def symmetric_root(
    cov: Float[np.ndarray, "state state"],
) -> Float[np.ndarray, "state state"]:
    """The symmetric square root of a positive semidefinite matrix, which is unique.

    Other roots made of eigenvectors depend on the basis that LAPACK gives for equal eigenvalues,
    which differs from one processor to another; draws coloured by this one do not.
    """
    lam, U = np.linalg.eigh(cov)
    return U * np.sqrt(np.maximum(lam, 0)) @ U.T


def ring_correlation(size: int, length: float) -> Float[np.ndarray, "site site"]:
    """Gaussian-shaped correlation exp(-d² / 2 length²) on a ring, d in sites; identity at length 0.

    The sum over images of the ring keeps it positive definite; a floor of 1e-6 on its eigenvalues
    (their mean is 1) keeps it well so in rounding.
    """
    if length == 0:
        return np.eye(size)
    images = np.arange(-4, 5)[:, None] * size + np.arange(size)[None]
    row = np.exp(-0.5 * (images / length) ** 2).sum(0)
    spectrum = np.maximum(np.fft.fft(row).real / row[0], 1e-6)
    row = np.fft.ifft(spectrum).real / spectrum.mean()
    return row[(np.arange(size)[None] - np.arange(size)[:, None]) % size]
