"""Lorenz-63: three variables on a butterfly."""

import jax.numpy as jnp
import numpy as np

from dabench.core.bounds import NotNegative, Number, Positive, Times
from dabench.core.layout import Channel, Layout
from dabench.systems.base import System
from dabench.systems.toys.additive_gaussian import NoiseCov
from dabench.systems.toys.ode import InitialGaussian, Noise, State, Steps, ode_system

SPINUP = 100.0  # model time to the climate: a start near a fixed point leaves it slowly


def tendency(state: State, sigma: Number, rho: Number, beta: Number) -> State:
    """dx/dt = sigma (y - x), dy/dt = rho x - y - x z, dz/dt = x y - beta z."""
    x, y, z = state
    return jnp.stack([sigma * (y - x), rho * x - y - x * z, x * y - beta * z])


def lorenz63(
    *,
    sigma: Number = 10.0,
    rho: Number = 28.0,
    beta: Number = 8 / 3,
    step: Positive = 0.01,
    steps: Times = 25,
    noise_std: NotNegative = 0.0,
    noise_cov: NoiseCov = "identity",
    noise_cov_length: NotNegative = 1.0,
) -> System:
    """The Lorenz-63 model; the defaults are the twin experiment of Sakov, Oliver & Bertino (2012).

    Arguments:
        sigma, rho, beta: Parameters of the equations.
        step, steps: Length of a Runge-Kutta step in model time, and steps in a cycle.
        noise_std: Standard deviation of the model error added once a cycle, in state units.
        noise_cov: Covariance C of the diffusion noise: the identity, or correlated.
        noise_cov_length: Length of a correlated C, in variables.

    The prior, of the truth and of the members, is N((1.509, -1.531, 25.46), 2 I).
    Source: Lorenz (1963); Sakov, Oliver & Bertino (2012), MWR 140, 1988-2004.
    """
    return ode_system(
        "lorenz63",
        Layout(tuple(Channel(c) for c in "xyz"), {"site": np.arange(1)}, dtype="float64"),
        lambda x: tendency(x, sigma, rho, beta),
        {"sigma": sigma, "rho": rho, "beta": beta},
        Steps(step, steps),
        Noise(noise_std, noise_cov, noise_cov_length),
        InitialGaussian(np.array([1.509, -1.531, 25.46]), np.sqrt(2.0)),
        SPINUP,
    )
