"""The initial members in every cycle: neither forecast nor observations."""

import jax
from jaxtyping import Array, Key

from dabench.filters.base import Ensemble, Filter, Info, Limits, Problem
from dabench.filters.forecast import background
from dabench.observe.network import Observation


def persistence(problem: Problem) -> Filter:
    """A reference: the initial members, unchanged."""

    def step(key: Key[Array, ""], carry: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        return carry, background(jax.vmap(problem.network.h)(carry.x), carry.x)

    return Filter(Ensemble, step, limits=Limits(None, uninformed=False, random=False))
