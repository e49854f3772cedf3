"""The exact Kalman filter, for linear-Gaussian systems."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from dabench.core.errors import UserError
from dabench.core.precision import wide
from dabench.core.types import Members
from dabench.filters.base import Filter, Info, Problem, split_key
from dabench.observe.network import Observation
from dabench.systems.toys.additive_gaussian import AdditiveGaussian


class Gaussian(NamedTuple):
    """p(x_k | y_1..k), members drawn from it, and log p(y_1..k)."""

    x: Members
    mean: Float[Array, "state"]
    cov: Float[Array, "state state"]
    log_likelihood: Float[Array, ""]


def kalman(problem: Problem) -> Filter:
    """Exact mean and covariance; members are independent draws from them.

    The initial mean and covariance are those of the initial members.
    """
    model, network = problem.model, problem.network
    if not (isinstance(model, AdditiveGaussian) and model.linear and network.linear):
        raise UserError(
            "the kalman filter needs a linear system and linear observations, such as "
            "linear_gaussian without speeds and directions; enkf and letkf take any system"
        )
    zero = jnp.zeros(model.layout.size, jax.dtypes.canonicalize_dtype(model.layout.dtype))
    A, H = (
        jax.jacobian(model.step)(zero).astype(wide()),
        jax.jacobian(network.h)(zero).astype(wide()),
    )
    b = jnp.zeros_like(zero) if model.intercept is None else jnp.asarray(model.intercept, wide())
    offset = network.h(zero).astype(wide())
    Q, R = jnp.asarray(model.model_cov, wide()), jnp.diag(jnp.asarray(network.var, wide()))

    def init(x: Members) -> Gaussian:
        mean = x.mean(0, dtype=wide())
        departures = x.astype(wide()) - mean[None]
        cov = departures.T @ departures / max(1, len(x) - 1)
        return Gaussian(x, mean, cov, jnp.zeros((), wide()))

    def step(key: Key[Array, ""], carry: Gaussian, obs: Observation) -> tuple[Gaussian, Info]:
        mean, cov = A @ carry.mean + b, A @ carry.cov @ A.T + Q
        innovation = obs.masked(obs.y.astype(wide()) - H @ mean - offset)
        S = H @ cov @ H.T + R
        info = Info(background_obs=H @ mean + offset, background_var=jnp.diag(S - R))
        S = of_reported(S, obs)
        K = obs.masked(jnp.linalg.solve(S, H @ cov).T)
        evidence = jax.scipy.stats.multivariate_normal.logpdf(
            innovation, jnp.zeros_like(innovation), S
        )
        keys, _ = split_key(key, len(carry.x))
        info["background"] = draw(keys, mean, cov).astype(carry.x.dtype)

        mean, cov = mean + K @ innovation, cov - K @ S @ K.T
        x = draw(keys, mean, cov).astype(carry.x.dtype)
        info["log_likelihood"] = carry.log_likelihood + evidence
        return Gaussian(x, mean, cov, info["log_likelihood"]), info

    return Filter(init, step)


def of_reported(S: Float[Array, "obs obs"], obs: Observation) -> Float[Array, "obs obs"]:
    """The covariance of innovations, those that are missing independent of the others.

    Their variance is such that an innovation of zero has the density 1.
    """
    if obs.present is None:
        return S
    alone = jnp.diag(jnp.full(len(S), 1 / (2 * np.pi)))
    return jnp.where(obs.present[:, None] & obs.present[None], S, alone)


def draw(
    keys: Key[Array, "member"], mean: Float[Array, "state"], cov: Float[Array, "state state"]
) -> Members:
    """Independent draws from N(mean, cov), by its symmetric root; cov may be singular.

    The symmetric root is unique where eigenvectors of equal eigenvalues are not, so that draws do
    not depend on the processor.
    """
    lam, U = jnp.linalg.eigh((cov + cov.T) / 2)
    white = jax.vmap(lambda k: jax.random.normal(k, mean.shape, mean.dtype))(keys)
    return mean[None] + (white @ U * jnp.sqrt(jnp.maximum(lam, 0))[None]) @ U.T
