"""A preconditioner of guidance: its matrix as it would be if D's Jacobian were a multiple of I."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dabench.diffusion.model import NoiseFactor

MODES = 4096  # most modes of a field's noise for which their products with H are made as matrices
LEADING = 1024  # directions of more modes than these that are preconditioned
POWERS = 2  # products that turn random directions towards the leading ones
BATCH = 128  # modes observed at once

Map = Callable[[Float[Array, "member a"]], Float[Array, "member b"]]


class Basis(NamedTuple):
    """Eigenvectors that the observations of some fields share: (H B)ᵀ H B = U diag(c S) Uᵀ.

    Of very many modes only the leading directions are there. Uᵀ (H B)ᵀ H B U is diagonal all the
    same, so that M is I + s H B U Uᵀ Bᵀ Hᵀ then; the solver has the rest, where they are smaller.

    Arguments:
        fields: Numbers of the fields, each with a factor c of its own.
        vectors: U.
        values: c S of each field.
    """

    fields: np.ndarray
    vectors: Float[Array, "mode direction"]
    values: Float[Array, "field direction"]


class Preconditioner(NamedTuple):
    """M = I + s H C Hᵀ with H in units of the observations' errors, field by field.

    Where C = B Bᵀ and (H B)ᵀ H B = U S Uᵀ, M⁻¹ = I - H B U (s / (1 + s S)) Uᵀ Bᵀ Hᵀ. Observations
    of two fields at once couple them in H C Hᵀ but not here.

    Arguments:
        factor: B.
        prior_variance: tau of s = sigma² tau / (sigma² + tau), the variance of the target in units
            of the noise's, as if it were the same in every mode.
        bases: Eigenvectors and eigenvalues of all observed fields.
    """

    factor: NoiseFactor
    prior_variance: float
    bases: list[Basis]

    def inverse(
        self, sigma: Float[Array, ""], observe: Map, spread_back: Map
    ) -> Callable[[Float[Array, "member obs"]], Float[Array, "member obs"]]:
        """r -> M⁻¹ r at one noise level.

        Arguments:
            sigma: Noise level.
            observe, spread_back: H and Hᵀ.
        """
        s = sigma**2 * self.prior_variance / (sigma**2 + self.prior_variance)

        def apply(r: Float[Array, "member obs"]) -> Float[Array, "member obs"]:
            z = self.factor.split(spread_back(r))
            change = jnp.zeros_like(z)
            for fields, U, S in self.bases:
                along = (self.factor.adjoint(z[:, fields]) @ U) * (s / (1 + s * S))[None]
                change = change.at[:, fields].set(self.factor.apply(along @ U.T))
            return r - observe(change.reshape(len(r), -1))

        return apply


def build(
    factor: NoiseFactor, observe: Map, spread_back: Map, prior_variance: float, dtype: jnp.dtype
) -> Preconditioner:
    """The preconditioner of one network.

    Arguments:
        factor: B of the noise.
        observe, spread_back: H and Hᵀ, for `BATCH` rows at once.
        prior_variance: Variance of the target given x in units of the noise's.
        dtype: Type of states.
    """

    @jax.jit
    def gram(w: Float[Array, "row mode"], field: Int[Array, ""]) -> Float[Array, "row mode"]:
        zero = jnp.zeros((len(w), factor.fields, factor.points), dtype)
        z = zero.at[:, field].set(factor.apply(w)).reshape(len(w), -1)
        return factor.adjoint(factor.split(spread_back(observe(z)))[:, field])

    probe = jax.random.normal(jax.random.key(0), (BATCH, factor.modes), dtype)
    probes = [np.asarray(gram(probe, jnp.asarray(f)), float) for f in range(factor.fields)]
    bases = []
    for first, *others in _alike(probes):
        S, U = _eigenvectors(lambda w, f=first: gram(w, jnp.asarray(f)), factor.modes, dtype)
        ratio = [np.abs(probes[f]).sum() / np.abs(probes[first]).sum() for f in (first, *others)]
        values = np.array(ratio)[:, None] * np.maximum(S, 0)
        bases.append(
            Basis(np.array([first, *others]), jnp.asarray(U, dtype), jnp.asarray(values, dtype))
        )
    return Preconditioner(factor, prior_variance, bases)


def _alike(probes: list[np.ndarray]) -> list[list[int]]:
    """The observed fields, in groups whose matrices are multiples of each other."""
    groups: list[list[int]] = []
    unit = {f: p / np.abs(p).max() for f, p in enumerate(probes) if np.any(p)}
    for f in unit:
        for group in groups:
            if np.allclose(unit[f], unit[group[0]], atol=1e-5):
                group.append(f)
                break
        else:
            groups.append([f])
    return groups


class Eigenvectors(NamedTuple):
    """Eigenvalues, or Rayleigh quotients of the leading directions, and orthonormal columns."""

    values: Float[np.ndarray, "direction"]
    vectors: Float[np.ndarray, "mode direction"]


def _eigenvectors(gram: Map, modes: int, dtype: jnp.dtype) -> Eigenvectors:
    """All eigenvectors of the symmetric matrix whose product with rows is `gram`, or the leading.

    For more than `MODES` modes, Rayleigh and Ritz's in the range of powers of the matrix applied to
    random directions (Halko, Martinsson & Tropp 2011, arXiv:0909.4061, algorithm 4.4).
    """
    if modes <= MODES:
        whole = _products(gram, np.eye(modes), dtype)
        return Eigenvectors(*np.linalg.eigh((whole + whole.T) / 2))
    rows = np.random.default_rng(0).normal(size=(min(LEADING, modes), modes))
    for _ in range(POWERS):
        rows = np.linalg.qr(_products(gram, rows, dtype).T)[0].T
    small = _products(gram, rows, dtype) @ rows.T
    values, turn = np.linalg.eigh((small + small.T) / 2)
    return Eigenvectors(values, rows.T @ turn)


def _products(
    gram: Map, rows: Float[np.ndarray, "row mode"], dtype: jnp.dtype
) -> Float[np.ndarray, "row mode"]:
    """Products of the matrix with rows, `BATCH` of them at once, in float64."""
    padded = np.pad(rows, ((0, -len(rows) % BATCH), (0, 0)))
    parts = [gram(jnp.asarray(part, dtype)) for part in padded.reshape(-1, BATCH, rows.shape[1])]
    return np.concatenate(parts)[: len(rows)].astype(float)
