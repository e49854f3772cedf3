"""A filter: a function that makes two others, `init` and `step`. `dabench conformance` tests it."""

from typing import Annotated

import jax
import jax.numpy as jnp
from annotated_types import Ge, Le

from dabench.filters.base import Ensemble, Filter, Problem, split_key
from dabench.filters.forecast import forecast


def my_filter(problem: Problem, *, gain: Annotated[float, Ge(0), Le(1)] = 0.3) -> Filter:
    """Nudging: x' + gain H^T (y - H x'), damped where observations are poor against the climate.

    Keyword-only arguments are settings: `--set gain=0.5`, with these types, limits and defaults.

    Arguments:
        gain: Share of the way to a perfect observation.
    """
    network = problem.network  # what is observed: h, the variances of the errors, a table
    climate = jax.vmap(network.h)(jnp.asarray(problem.climate)).var(0)
    trust = gain * climate / (climate + jnp.asarray(network.var))

    def step(key, ens, obs):
        """The members of the next cycle: ens.x is (member, state), obs.y is (obs,)."""
        keys, _ = split_key(key, len(ens.x))  # a key for each member's forecast, one for the rest
        x, info = forecast(problem, keys, ens.x, obs.time)

        def nudge(x):
            hx, back = jax.vjp(network.h, x)
            # `masked` puts zeros where an observation is missing in this cycle
            return x + back(obs.masked(trust.astype(x.dtype) * (obs.y - hx)))[0]

        return Ensemble(jax.vmap(nudge)(x)), info

    return Filter(init=Ensemble, step=step)
