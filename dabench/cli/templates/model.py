"""A system: a forecast model with the truth that it is tried on. It is plain JAX."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dabench.systems.base import Channel, Layout, System

SIZE = 16
LAYOUT = Layout(
    channels=(Channel("x", units="m"),),  # the fields of a state
    coords={"site": np.arange(SIZE)},  # or latitude and longitude
    periodic=True,
    dtype="float64",
)


@dataclass(eq=False)
class Model:
    """x' = 0.95 x, moved on by one site, plus noise."""

    noise_std: float
    layout: Layout = LAYOUT

    def forecast(self, keys, x, time):
        """The next states of all members: x is (member, state), one key for each."""
        noise = jax.vmap(lambda key: jax.random.normal(key, (SIZE,), x.dtype))(keys)
        return 0.95 * jnp.roll(x, 1, axis=1) + self.noise_std * noise


def my_model(*, noise_std: float = 0.3) -> System:
    """A ring on which waves move and decay. Keyword-only arguments are settings of a scenario.

    Arguments:
        noise_std: Standard deviation of the noise in a cycle, m.
    """
    model = Model(noise_std)

    def truth(seed, cycles):
        """States of cycle 0 to the last one, (cycle, state)."""

        def advance(x, key):
            x = model.forecast(key[None], x[None], 0.0)[0]
            return x, x

        keys = jax.random.split(jax.random.key(seed), cycles + 1)
        return jax.lax.scan(advance, jnp.ones(SIZE), keys)[1]

    return System(
        name="my_model",
        model=model,
        truth=truth,
        climate=truth(2**31, 2000)[100::10],  # states of other times than the truth's
        perturb=lambda key, x, amplitude: x + amplitude * jax.random.normal(key, x.shape, x.dtype),
        cycle_seconds=3600.0,
        digest=f"my_model {noise_std}",  # has to change whenever the numbers could
    )
