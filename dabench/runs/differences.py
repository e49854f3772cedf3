"""Initial members as in practice: around a state in error, moved by differences of states.

Source: Parrish & Derber (1992), Mon. Weather Rev. 120, 1747, took differences of forecasts for
forecast errors; drawing them at random for initial members is usual in ensemble assimilation.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num

from dabench.core.errors import UserError
from dabench.core.layout import Layout, cell_area
from dabench.core.types import Members
from dabench.filters.base import Problem
from dabench.filters.forecast import forecast
from dabench.observe.network import Network
from dabench.scenario.scenario import Differences
from dabench.systems.base import System

State = Float[Array, "state"]
CENTRE = 2**32 - 1  # the number of the difference that all members share; no member has it


def around(
    x: State,
    numbers: Num[np.ndarray, "member"],
    key: Key[Array, ""],
    difference: Callable[[Key[Array, ""]], State],
) -> Members:
    """x + d, with d_0 shared + d_i of each member: the mean is in error as the members are spread.

    Arguments:
        numbers: Numbers of the members.
        difference: Makes a difference from a key.
    """
    centre = x + difference(jax.random.fold_in(key, np.uint32(CENTRE)))
    return jnp.stack([centre + difference(jax.random.fold_in(key, i)) for i in numbers])


def scaled_difference(
    system: System, network: Network, about: Differences, time: float
) -> Callable[[Key[Array, ""]], State]:
    """The function that makes a difference with the stated error from a key.

    Arguments:
        time: Valid time of cycle 0 in seconds, at which forecasts start.
    Raises: UserError where the system has no such field or too few states of the climate.
    """
    climate = jnp.asarray(system.climate, system.layout.dtype)
    if len(climate) < 2:
        raise UserError(f"initial.kind: {system.name} has fewer than two states of the climate")
    rms = _rms(system.layout, about)
    problem = Problem(system.model, network, climate, system.batch)

    @jax.jit
    def step(keys: Key[Array, "2"], x: Members, time: Num[Array, ""]) -> Members:
        return forecast(problem, keys, x, time)[0]

    def pair(key: Key[Array, ""]) -> Members:
        draw, noise = jax.random.split(key)
        first, second = jax.random.choice(draw, len(climate), (2,), replace=False)
        if about.of == "climate":
            return climate[jnp.stack([first, second])]
        x = jnp.stack([climate[first]] * 2)
        for cycle in range(1, about.cycles + 1):
            keys = jax.random.split(jax.random.fold_in(noise, cycle), 2)
            x = step(keys, x, jnp.asarray(time + cycle * system.cycle_seconds))
        return x

    def difference(key: Key[Array, ""]) -> State:
        one, other = pair(key)
        size = float(rms(one - other))
        if not np.isfinite(size) or not size:
            raise UserError(
                f"initial.of: {about.of} of {system.name} do not differ in {about.variable}; "
                "a model without noise needs `of: climate`"
            )
        return (one - other) * (about.error_std / size)

    return difference


def _rms(layout: Layout, about: Differences) -> Callable[[State], Float[Array, ""]]:
    """The root of the mean square over the globe of the field whose error is stated."""
    try:
        channel = layout.channel(about.variable, about.level)
    except KeyError:
        fields = ", ".join(
            c.name if c.level is None else f"{c.name} at {c.level:g}" for c in layout.channels
        )
        text = f"initial.variable: no {about.variable} at level {about.level}; there are {fields}"
        raise UserError(text) from None
    weights = np.ones(layout.points)
    if layout.on_sphere:
        area = cell_area(np.asarray(layout.coords["latitude"]))
        weights = np.repeat(area, len(layout.coords["longitude"]))
    weights = jnp.asarray(weights / weights.sum(), layout.dtype)
    return lambda d: jnp.sqrt((weights * layout.now(d)[channel] ** 2).sum())
