"""The unconditional ensemble: forecasts without observations."""

import jax
from jaxtyping import Array, Key

from dabench.diffusion.model import Sampler
from dabench.filters.base import Ensemble, Filter, Info, Limits, Problem, split_key
from dabench.filters.forecast import background, forecast
from dabench.observe.network import Observation


def ensemble(problem: Problem, *, sampler: Sampler | None = None) -> Filter:
    """The free run, x' ~ p(x' | x), which every method has to beat.

    Arguments:
        sampler: Sampler of the forecast; None is the model's own.
    """

    def step(key: Key[Array, ""], ens: Ensemble, obs: Observation) -> tuple[Ensemble, Info]:
        keys, _ = split_key(key, len(ens.x))
        x_next, info = forecast(problem, keys, ens.x, obs.time, sampler)
        return Ensemble(x_next), info | background(jax.vmap(problem.network.h)(x_next), x_next)

    return Filter(Ensemble, step, limits=Limits(kalman=None))
