"""Fixed-lag smoothing: a filter whose states hold the last cycles, too.

    x̃_k = (x_{k-L}, .., x_k)    M̃(x̃_k) = (x_{k-L+1}, .., x_k, M(x_k))    h̃(x̃_k) = h(x_k)

Any filter on this problem updates older states by today's observations: ensemble Kalman filters by
the transform of today's analysis (an ensemble Kalman smoother), particle filters by choosing whole
genealogies. The oldest state is the smoother's estimate with lag L.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from dabench.core.types import Keys, Members, Time
from dabench.diffusion.model import Model
from dabench.filters.base import Filter, Info, Problem
from dabench.observe.network import Observation

OF_TODAY = ("background", "background_obs", "background_var")
"""Diagnostics that are of the newest state and not of the smoother's estimate."""


class Lagged:
    """A model of states that hold `lag` more frames; all else is as in the model itself.

    Arguments:
        model: Model of states without more frames, a `ForecastModel`, a `DiffusionModel`, or both.
    """

    def __init__(self, model: Model, lag: int):
        old = model.layout
        self.model, self.lag, self.size = model, lag, old.size
        self.layout = replace(old, frames=old.frames + lag)
        if hasattr(model, "forecast"):
            self.forecast = self._forecast
        if hasattr(model, "next_state"):
            self.condition, self.next_state = self._condition, self._next_state

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def newest(self, x: Float[Array, "*rows state"]) -> Float[Array, "*rows state"]:
        """States without older frames."""
        return x[..., -self.size :]

    def _older(self, x: Members) -> Members:
        """The frames that stay behind when a cycle has passed."""
        frame = self.size // self.model.layout.frames
        return x[:, frame : frame * (self.lag + 1)]

    def _forecast(self, keys: Keys, x: Members, time: Time) -> Members:
        after = self.model.forecast(keys, self.newest(x), time)  # type: ignore[union-attr]
        return jnp.concatenate([self._older(x), after], 1)

    def _condition(self, x: Members, time: Time) -> Any:
        return self.model.condition(self.newest(x), time)  # type: ignore[union-attr]

    def _next_state(self, z: Float[Array, "member target"], x: Members) -> Members:
        after = self.model.next_state(z, self.newest(x))  # type: ignore[union-attr]
        return jnp.concatenate([self._older(x), after], 1)


def lagged(problem: Problem, lag: int) -> Problem:
    """The problem whose states hold the frames of `lag` more cycles."""
    model, network = Lagged(problem.model, lag), problem.network
    return problem._replace(
        model=model,
        network=replace(network, h=lambda x: network.h(model.newest(x))),
        climate=extended(problem.climate, problem.model.layout.frames, lag),
    )


def extended(
    x: Float[Array, "row state"], frames: int, lag: int
) -> Float[Array, "row longer_state"]:
    """States with older frames, which are copies of the oldest one."""
    oldest = x[:, : x.shape[1] // frames]
    return jnp.concatenate([jnp.tile(oldest, (1, lag)), x], 1)


def smoother(make: Callable[[Problem], Filter], problem: Problem, lag: int) -> Filter:
    """The fixed-lag smoother of a method; the first frames of its members are the estimate.

    Diagnostics of the newest state's background are left out.

    Arguments:
        make: The method's factory, its settings given.
        problem: Problem whose states hold no more frames.
        lag: Number of cycles that the estimate lies behind the newest observations.
    """
    method, frames = make(lagged(problem, lag)), problem.model.layout.frames

    def init(x: Members) -> Any:
        return method.init(extended(x, frames, lag))

    def step(key: Key[Array, ""], carry: Any, obs: Observation) -> tuple[Any, Info]:
        after, info = method.step(key, carry, obs)
        rest: Any = {name: value for name, value in info.items() if name not in OF_TODAY}
        return after, rest

    return method._replace(init=init, step=step)
