"""A system on the sphere that has a calendar, for tests of real values: decay towards a mean."""

import jax
import jax.numpy as jnp
import numpy as np

from dabench.core.layout import Channel, Layout
from dabench.systems.base import System

LAYOUT = Layout(
    (Channel("temperature", "K", 500.0), Channel("temperature", "K", 850.0)),
    {"latitude": np.linspace(-90, 90, 7), "longitude": np.arange(0, 360, 30.0)},
    dtype="float64",
)
MEAN = np.repeat([250.0, 280.0], LAYOUT.points)
DECAY, NOISE = 0.8, 0.6


class Model:
    """x' - mean = 0.8 (x - mean) + noise of 0.6 K: a climate with a standard deviation of 1 K."""

    layout = LAYOUT

    def forecast(self, keys, x, time):
        noise = jax.vmap(lambda key: jax.random.normal(key, (LAYOUT.size,), x.dtype))(keys)
        return MEAN[None] + DECAY * (x - MEAN[None]) + NOISE * noise


def truth(seed, cycles):
    """States of cycle 0 to the last one."""
    rng = np.random.default_rng(seed)
    x = [MEAN + rng.normal(size=LAYOUT.size)]
    for _ in range(cycles):
        x.append(MEAN + DECAY * (x[-1] - MEAN) + NOISE * rng.normal(size=LAYOUT.size))
    return np.array(x)


def globe(*, start: str) -> System:
    """Temperature at two levels, in cycles of six hours.

    Arguments:
        start: Time of cycle 0.
    """
    return System(
        name="globe",
        model=Model(),
        truth=truth,
        climate=truth(99, 100)[10:],
        perturb=lambda key, x, a: x + a * jax.random.normal(key, x.shape, jnp.float64),
        cycle_seconds=6 * 3600.0,
        start=start,
        digest="globe",
    )
