"""Draws from the climate, which any use of observations should improve on."""

import jax
from jaxtyping import Array, Key

from dabench.filters.base import Ensemble, Filter, Info, Limits, Problem, split_key
from dabench.filters.climate import draw, states
from dabench.filters.forecast import background
from dabench.observe.network import Observation


def climatology(problem: Problem) -> Filter:
    """A reference: new draws from the climate in every cycle, whatever was observed."""
    climate = states(problem)

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        _, key = split_key(key, len(carry.x))
        x = draw(key, climate, len(carry.x)).astype(carry.x.dtype)
        return Ensemble(x), background(jax.vmap(problem.network.h)(x), x)

    return Filter(Ensemble, step, limits=Limits(None, uninformed=False))
