"""Lorenz-96: a ring of variables with advection, damping and forcing."""

from typing import Annotated

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Le

from dabench.core.bounds import NotNegative, Number, Positive, Times
from dabench.core.layout import Channel, Layout
from dabench.systems.base import System
from dabench.systems.toys.additive_gaussian import NoiseCov
from dabench.systems.toys.ode import InitialGaussian, Noise, State, Steps, ode_system

SPINUP = 20.0  # model time from the start to the climate


def tendency(x: State, forcing: Number) -> State:
    """dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F on a ring."""
    return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + forcing


def lorenz96(
    *,
    size: Annotated[int, Ge(4), Le(1_000_000)] = 40,
    forcing: Number = 8.0,
    step: Positive = 0.05,
    steps: Times = 1,
    noise_std: NotNegative = 0.0,
    noise_cov: NoiseCov = "identity",
    noise_cov_length: NotNegative = 1.0,
) -> System:
    """The Lorenz-96 model; the defaults are the twin experiment of Sakov & Oke (2008).

    Arguments:
        size: Number of variables.
        forcing: F; 8 is chaotic.
        step, steps: Length of a Runge-Kutta step in model time, and steps in a cycle.
        noise_std: Standard deviation of the model error added once a cycle, in state units.
        noise_cov: Covariance C of the diffusion noise: the identity, or correlated along the ring.
        noise_cov_length: Length of a correlated C, in variables.

    The prior, of the truth and of the members, is N((1, 0, ..., 0), 0.001 I).
    Source: Lorenz (1996); Sakov & Oke (2008), Tellus A 60, 361-371.
    """
    return ode_system(
        "lorenz96",
        Layout((Channel("x"),), {"site": np.arange(size)}, periodic=True, dtype="float64"),
        lambda x: tendency(x, forcing),
        {"size": size, "forcing": forcing},
        Steps(step, steps),
        Noise(noise_std, noise_cov, noise_cov_length),
        InitialGaussian(np.eye(size)[0], np.sqrt(0.001)),
        SPINUP,
    )
