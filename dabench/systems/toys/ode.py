"""Toy systems made of an ordinary differential equation, with or without additive model error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.digest import sha256
from dabench.core.layout import Layout
from dabench.core.random import stream
from dabench.core.types import Keys, Members, Time
from dabench.diffusion.model import ForecastModel
from dabench.systems import perturbations
from dabench.systems.base import System
from dabench.systems.toys.additive_gaussian import AdditiveGaussian, NoiseCov, ring_correlation

CLIMATE_DRAWS = 1000

State = Float[Array, "state"]


def rk4(f: Callable[[State], State], x: State, step: float, steps: int) -> State:
    """`steps` classical Runge-Kutta steps of length `step` for dx/dt = f(x)."""

    def one(x: State, _: None) -> tuple[State, None]:
        k1 = f(x)
        k2 = f(x + 0.5 * step * k1)
        k3 = f(x + 0.5 * step * k2)
        k4 = f(x + step * k3)
        return x + step / 6 * (k1 + 2 * (k2 + k3) + k4), None

    return jax.lax.scan(one, x, None, steps)[0]


@dataclass(eq=False)
class Deterministic:
    """x' = step(x), without noise; a `ForecastModel`."""

    layout: Layout
    step: Callable[[State], State]

    def forecast(self, keys: Keys, x: Members, time: Time) -> Members:
        return jax.vmap(self.step)(x)


@dataclass(frozen=True)
class Noise:
    """Additive Gaussian model error, once a cycle.

    Arguments:
        std: Standard deviation of the independent errors, in state units; 0 is a perfect model.
        cov: Covariance C of the diffusion noise: the identity, or correlated along the state.
        length: Of a correlated C, in variables.
    """

    std: float
    cov: NoiseCov
    length: float


@dataclass(frozen=True)
class Prior:
    """N(mean, std² I): where truth and members start from."""

    mean: np.ndarray
    std: float

    def __call__(self, key: jax.Array) -> State:
        dtype = jax.dtypes.canonicalize_dtype(jnp.float64)
        white = jax.random.normal(key, self.mean.shape, dtype)
        return jnp.asarray(self.mean, dtype) + self.std * white


def forecast_model(layout: Layout, step: Callable[[State], State], noise: Noise) -> ForecastModel:
    """The step alone, or with model error an exact diffusion model."""
    if noise.std == 0:
        return Deterministic(layout, step)
    C = ring_correlation(layout.size, noise.length) if noise.cov == "correlated" else None
    return AdditiveGaussian(layout, step, noise.std**2 * np.eye(layout.size), C)


def trajectory(model: ForecastModel, start: State, keys: jax.Array) -> Float[Array, "time state"]:
    """The start and one state a key."""

    def advance(x: State, key: jax.Array) -> tuple[State, State]:
        x = model.forecast(key[None], x[None], jnp.zeros((), x.dtype))[0]
        return x, x

    return jnp.concatenate([start[None], jax.lax.scan(advance, start, keys)[1]])


def build(
    name: str,
    model: ForecastModel,
    prior: Prior,
    cycle: float,
    spinup: int,
    settings: Mapping[str, Any],
) -> System:
    """The system of a toy model.

    Arguments:
        cycle: Length of a cycle in model time, of which a unit counts as a second.
        spinup: Cycles from the prior to the climate.
        settings: All that the model depends on, for the digest.
    """

    def truth(seed: int, cycles: int) -> Float[Array, "time state"]:
        keys = jax.vmap(partial(jax.random.fold_in, stream(seed, "truth")))(jnp.arange(cycles + 1))
        return trajectory(model, prior(keys[0]), keys[1:])

    return System(
        name=name,
        model=model,
        truth=truth,
        climate=climate(model, prior, spinup),
        perturb=perturbations.white,
        prior=prior,
        cycle_seconds=cycle,
        digest=sha256({"system": name, **settings}),
    )


def climate(model: ForecastModel, prior: Prior, spinup: int) -> Float[Array, "draw state"]:
    """Independent states after `spinup` cycles, by a stream that no seed of a scenario has."""
    start, noise = jax.random.split(jax.random.fold_in(stream(0, "climate"), spinup))

    def advance(x: Members, key: jax.Array) -> tuple[Members, None]:
        keys = jax.random.split(key, len(x))
        return model.forecast(keys, x, jnp.zeros((), x.dtype)), None

    x = jax.vmap(prior)(jax.random.split(start, CLIMATE_DRAWS))
    return jax.jit(lambda x: jax.lax.scan(advance, x, jax.random.split(noise, spinup))[0])(x)
