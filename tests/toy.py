"""A system of four variables and filters that do next to nothing, for tests of the machinery."""

import jax
import jax.numpy as jnp
import numpy as np

from dabench.filters.base import Ensemble, Filter, Problem, split_key
from dabench.systems.base import Channel, Layout, System

LAYOUT = Layout((Channel("x", "m"),), {"site": np.arange(4)}, dtype="float64")
TRACED: list[str] = []


class Model:
    """x' = 0.9 x shifted by one site + noise."""

    layout = LAYOUT

    def forecast(self, keys, x, time):
        noise = jax.vmap(lambda key: jax.random.normal(key, (4,), x.dtype))(keys)
        return 0.9 * jnp.roll(x, 1, 1) + 0.1 * noise


def toy(*, noise: float = 0.1) -> System:
    """Four variables on a ring."""
    return System(
        name="toy",
        model=Model(),
        truth=lambda seed, cycles: np.random.default_rng(seed).normal(size=(cycles + 1, 4)),
        climate=np.random.default_rng(1).normal(size=(10, 4)),
        perturb=lambda key, x, amplitude: x + amplitude * jax.random.normal(key, (4,), x.dtype),
        cycle_seconds=60.0,
        digest=f"toy-{noise}",
    )


def forecast(problem: Problem, *, gain: float = 0.1) -> Filter:
    """Forecast, and pull towards the mean of the observations."""

    def step(key, ens, obs):
        TRACED.append("forecast")
        keys, _ = split_key(key, len(ens.x))
        x = problem.model.forecast(keys, ens.x, obs.time) + gain * obs.y.mean()
        info = {"ess": 1.0 / jnp.mean(x**2), "ancestor": jnp.arange(len(x)), "odd": x[:, :2]}
        return Ensemble(x), info

    return Filter(Ensemble, step)


def diverging(problem: Problem, *, after: float = 150.0) -> Filter:
    """Infinite once the time is `after`."""

    def step(key, ens, obs):
        return Ensemble(jnp.where(obs.time > after, jnp.inf, 1.0) * ens.x), {}

    return Filter(Ensemble, step)


def broken(problem: Problem) -> Filter:
    """A method with a bug."""

    def step(key, ens, obs):
        raise ZeroDivisionError("a bug")

    return Filter(Ensemble, step)


def install() -> None:
    """Make `toy` known to this process as plug-ins would be."""
    from dabench.filters import FILTERS
    from dabench.systems import SYSTEMS

    SYSTEMS["toy"] = "toy:toy"
    FILTERS.update({name: f"toy:{name}" for name in ("forecast", "diverging", "broken")})
