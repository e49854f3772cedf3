"""A preconditioner of guidance: its matrix as it would be if D's Jacobian were a multiple of I."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dabench.core.errors import UserError
from dabench.diffusion.model import NoiseFactor

MODES = 4096  # most modes of a field's noise for which their products with H are made as matrices
BATCH = 128  # modes observed at once

Map = Callable[[Float[Array, "member a"]], Float[Array, "member b"]]


class Basis(NamedTuple):
    """Eigenvectors that the observations of some fields share: (H B)ᵀ H B = U diag(c S) Uᵀ.

    Arguments:
        fields: Numbers of the fields, each with a factor c of its own.
        vectors: U.
        values: c S of each field.
    """

    fields: np.ndarray
    vectors: Float[Array, "mode mode"]
    values: Float[Array, "field mode"]


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
    Raises: UserError where the noise of a field has more than `MODES` modes.
    """
    if factor.modes > MODES:
        raise UserError(
            f"guidance.prior_variance: the noise of this model has {factor.modes} modes a field "
            f"and the preconditioner takes up to {MODES}; use prior_variance: null"
        )

    @jax.jit
    def gram(w: Float[Array, "row mode"], field: Int[Array, ""]) -> Float[Array, "row mode"]:
        zero = jnp.zeros((len(w), factor.fields, factor.points), dtype)
        z = zero.at[:, field].set(factor.apply(w)).reshape(len(w), -1)
        return factor.adjoint(factor.split(spread_back(observe(z)))[:, field])

    probe = jax.random.normal(jax.random.key(0), (BATCH, factor.modes), dtype)
    probes = [np.asarray(gram(probe, jnp.asarray(f)), float) for f in range(factor.fields)]
    bases = []
    for first, *others in _alike(probes):
        S, U = np.linalg.eigh(_whole(lambda w, f=first: gram(w, jnp.asarray(f)), factor, dtype))
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


def _whole(gram: Map, factor: NoiseFactor, dtype: jnp.dtype) -> Float[np.ndarray, "mode mode"]:
    """The matrix whose product with rows is `gram`."""
    rows = [jnp.arange(BATCH) + start for start in range(0, factor.modes, BATCH)]
    parts = [gram(jax.nn.one_hot(index, factor.modes, dtype=dtype)) for index in rows]
    whole = np.concatenate(parts)[: factor.modes].astype(float)
    return (whole + whole.T) / 2
