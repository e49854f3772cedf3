"""A static covariance of forecast errors, and the analysis with it.

Errors are taken to be homogeneous: coefficients of different harmonics do not covary, and those of
one degree have one matrix across channels. So the covariance is its own localisation, and balanced
as far as it is the same everywhere.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.layout import Layout
from dabench.core.types import Members
from dabench.diffusion.krylov import solve
from dabench.filters.base import Problem
from dabench.filters.climate import draws_around
from dabench.filters.waves import Modes, modes
from dabench.observe.network import Network, Observation

STATES = 40  # states of the climate, and as many differences of draws

Fields = Float[Array, "row channel point"]
Control = Float[Array, "row channel coefficient"]


class StaticCovariance(NamedTuple):
    """B = U Uᵀ of one frame, U the synthesis of coefficients that a root couples across channels.

    Arguments:
        roots: One root a degree; columns are independent standard normal variables.
        modes: Coefficients of the layout's fields.
    """

    roots: Float[np.ndarray, "degree channel channel"]
    modes: Modes

    def root(self, v: Control) -> Fields:
        """U v."""
        return self.modes.synthesise(self._couple(self.roots, v))

    def adjoint(self, x: Fields) -> Control:
        """Uᵀ x."""
        return self._couple(self.roots.swapaxes(1, 2), self.modes.adjoint(x))

    def _couple(self, matrices: np.ndarray, v: Control) -> Control:
        parts = jnp.split(v, self.modes.ends[:-1], -1)
        pairs = zip(jnp.asarray(matrices, v.dtype), parts, strict=True)
        coupled = [jnp.einsum("ij,njk->nik", *pair) for pair in pairs]
        return jnp.concatenate(coupled, -1)


def forecast_errors(problem: Problem) -> StaticCovariance:
    """The covariance of a forecast over one cycle given its start, averaged over the climate.

    Half the difference of two draws from each of 40 states has it, in the last frame.
    """
    layout, draws = problem.model.layout, draws_around(problem, STATES, 2)
    x = layout.now(np.asarray(draws, float))
    return estimate(layout, (x[0] - x[1]) / np.sqrt(2))


def estimate(layout: Layout, errors: Float[np.ndarray, "draw channel point"]) -> StaticCovariance:
    """The covariance of draws of errors, whose mean is zero."""
    by_degree = modes(layout)
    c = np.asarray(by_degree.analyse(jnp.asarray(errors)), float)
    parts = np.split(c, by_degree.ends[:-1], -1)
    covariances = [np.einsum("nik,njk->ij", p, p) / (len(p) * p.shape[2]) for p in parts]
    return StaticCovariance(np.stack([matrix_root(C) for C in covariances]), by_degree)


def matrix_root(C: Float[np.ndarray, "channel channel"]) -> Float[np.ndarray, "channel channel"]:
    """A square root, by the eigenvectors of the correlations, since units differ by channel."""
    std = np.sqrt(np.diag(C))
    safe = np.where(std > 0, std, 1)
    lam, U = np.linalg.eigh(C / np.outer(safe, safe))
    return std[:, None] * U * np.sqrt(np.maximum(lam, 0))


def increments(
    layout: Layout,
    network: Network,
    B: StaticCovariance,
    scale: float,
    x: Members,
    obs: Observation,
    iterations: int,
) -> Members:
    """K (y - h(x)), K = s B Hᵀ (R + s H B Hᵀ)⁻¹, row by row; older frames stay as they are.

        K d = √s U v,    (I + s Uᵀ Hᵀ R⁻¹ H U) v = √s Uᵀ Hᵀ R⁻¹ d

    Steps for v bring the analysis nearer with each one. Those for (R + s H B Hᵀ) u = d, which are
    as many, do not until they have converged, and dense, accurate observations take hundreds.

    Arguments:
        scale: s, the variance of errors over that of B.
        x: States, a row each; H is the Jacobian of h there.
        obs: Observations for each row.
        iterations: Number of steps of conjugate gradients.
    """
    std = jnp.asarray(network.error_std, x.dtype)[None]
    older, last = layout.unflatten(x)[:, :-1], layout.now(x)

    def observe(last: Fields) -> Float[Array, "row obs"]:
        frames = jnp.concatenate([older, last[:, None]], 1)
        return obs.masked(jax.vmap(network.h)(frames.reshape(x.shape)) / std)

    hx, push = jax.linearize(observe, last)
    pull = jax.linear_transpose(push, last)

    def to_control(u: Float[Array, "row obs"]) -> Float[Array, "row control"]:
        return scale**0.5 * B.adjoint(pull(u)[0]).reshape(len(u), -1)

    def apply(p: Float[Array, "row control"]) -> tuple[Array, Array]:
        change = scale**0.5 * B.root(p.reshape(len(p), last.shape[1], -1))
        return p + to_control(push(change)), change.reshape(len(p), -1)

    right = to_control(obs.masked(obs.y.astype(x.dtype) / std) - hx)
    change = solve(apply, right, "cg", iterations).image.reshape(last.shape)
    return jnp.concatenate([jnp.zeros_like(older), change[:, None]], 1).reshape(x.shape)
