"""Toy systems made of an ordinary differential equation, with or without additive model error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

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

CLIMATE_DRAWS = 1000  # states of the climate

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
        """The next state of each member."""
        return jax.vmap(self.step)(x)


class Steps(NamedTuple):
    """The Runge-Kutta steps of a cycle.

    Arguments:
        step: Length of a step in model time, of which a unit counts as a second.
        steps: Number of steps in a cycle.
    """

    step: float
    steps: int

    @property
    def cycle(self) -> float:
        """Length of a cycle in model time."""
        return self.step * self.steps


class Noise(NamedTuple):
    """Additive Gaussian model error, once a cycle.

    Arguments:
        noise_std: Standard deviation of the independent errors, in state units; 0 is a perfect
            model.
        noise_cov: Covariance C of the diffusion noise: the identity, or correlated along the state.
        noise_cov_length: Length of a correlated C, in variables.
    """

    noise_std: float
    noise_cov: NoiseCov
    noise_cov_length: float


@dataclass(frozen=True)
class InitialGaussian:
    """N(mean, std² I), which truth and members start from: key -> state."""

    mean: np.ndarray
    std: float

    def __call__(self, key: jax.Array) -> State:
        dtype = jax.dtypes.canonicalize_dtype(jnp.float64)
        white = jax.random.normal(key, self.mean.shape, dtype)
        return jnp.asarray(self.mean, dtype) + self.std * white


def ode_system(
    name: str,
    layout: Layout,
    tendency: Callable[[State], State],
    settings: Mapping[str, float],
    steps: Steps,
    noise: Noise,
    prior: InitialGaussian,
    spinup: float,
) -> System:
    """The system of dx/dt = tendency(x), with model error once a cycle if there is any.

    Arguments:
        name: Name of the system.
        settings: Settings of `layout` and `tendency`, for the digest.
        spinup: Model time from the prior to the climate.
    """
    model = forecast_model(layout, lambda x: rk4(tendency, x, *steps), noise)

    def truth(seed: int, cycles: int) -> Float[Array, "time state"]:
        keys = jax.vmap(partial(jax.random.fold_in, stream(seed, "truth")))(jnp.arange(cycles + 1))
        return trajectory(model, prior(keys[0]), keys[1:])

    return System(
        name=name,
        model=model,
        truth=truth,
        climate=climate(model, prior, int(np.ceil(spinup / steps.cycle))),
        perturb=perturbations.white,
        prior=prior,
        cycle_seconds=steps.cycle,
        digest=sha256({"system": name, **settings, **steps._asdict(), **noise._asdict()}),
    )


def forecast_model(layout: Layout, step: Callable[[State], State], noise: Noise) -> ForecastModel:
    """The step alone, or with model error an exact diffusion model."""
    std, cov, length = noise
    if std == 0:
        return Deterministic(layout, step)
    C = ring_correlation(layout.size, length) if cov == "correlated" else None
    return AdditiveGaussian(layout, step, std**2 * np.eye(layout.size), C)


def trajectory(model: ForecastModel, start: State, keys: jax.Array) -> Float[Array, "time state"]:
    """The states that begin with `start`, one more for each key."""

    def advance(x: State, key: jax.Array) -> tuple[State, State]:
        x = model.forecast(key[None], x[None], jnp.zeros((), x.dtype))[0]
        return x, x

    return jnp.concatenate([start[None], jax.lax.scan(advance, start, keys)[1]])


def climate(
    model: ForecastModel, prior: InitialGaussian, spinup: int
) -> Float[Array, "draw state"]:
    """Independent states after `spinup` cycles, from random numbers that no truth has."""
    start, noise = jax.random.split(jax.random.fold_in(stream(0, "climate"), spinup))

    def advance(x: Members, key: jax.Array) -> tuple[Members, None]:
        keys = jax.random.split(key, len(x))
        return model.forecast(keys, x, jnp.zeros((), x.dtype)), None

    x = jax.vmap(prior)(jax.random.split(start, CLIMATE_DRAWS))
    return jax.jit(lambda x: jax.lax.scan(advance, x, jax.random.split(noise, spinup))[0])(x)
