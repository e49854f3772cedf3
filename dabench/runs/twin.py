"""A twin experiment: a known truth, observations made from it, and initial members around it.

With real values there is no truth, or an analysis in its place: then nothing is made from it but
initial members.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.errors import UserError
from dabench.core.random import stream
from dabench.core.types import Members
from dabench.observe import withheld
from dabench.observe.network import Network, Observation, measure, observe, reported
from dabench.runs.differences import around, scaled_difference
from dabench.scenario.scenario import Differences
from dabench.systems.base import System


@dataclass(frozen=True, eq=False)
class Twin:
    """The truth of one seed, its observations, and the members that a method starts from.

    Arguments:
        system: System that made the truth.
        network: Network of the observations that methods are given.
        truth: True states; cycle 0 is the initial state. NaN after it where there is no truth.
        seed: Seed of observation noise and initial members.
        start: Valid time of cycle 0 in seconds.
        initial_kind: Kind of the initial members: the `truth` copied, the truth `perturbed`,
            `climatological` draws (each once while there are enough), draws of the system's
            `prior`, or a state in error moved by `differences`.
        amplitude: Amplitude of the perturbations, as in `System.perturb`.
        differences: How differences are made.
        withheld: Network of the observations that no method is given, to verify all methods.
        lag: Number of cycles that estimates lie behind the observations they have seen; the truth
            has so many cycles more.
    """

    system: System
    network: Network
    truth: Float[Array, "cycle state"]
    seed: int
    start: float = 0.0
    initial_kind: Literal["truth", "perturbed", "climatological", "prior", "differences"] = (
        "perturbed"
    )
    amplitude: float = 1.0
    differences: Differences | None = None
    withheld: Network | None = None
    lag: int = 0

    @property
    def cycles(self) -> int:
        """Number of cycles after the initial state that are estimated."""
        return len(self.truth) - 1 - self.lag

    @cached_property
    def has_truth(self) -> bool:
        """Whether there is a truth after the initial state."""
        return len(self.truth) < 2 or bool(np.isfinite(self.truth[1]).any())

    @property
    def times(self) -> Float[np.ndarray, "cycle"]:
        """Valid times of all cycles of the truth in seconds."""
        return self.start + self.system.cycle_seconds * np.arange(len(self.truth))

    def observation(self, cycle: int) -> Observation:
        """The observations of a cycle, from 1 on, with noise of their own unless they are real."""
        if self.network.measured is not None:
            return measure(cycle, self.times[cycle], self.network, self.system.layout.dtype)
        obs = self._observe(np.uint32(cycle), self.times[cycle], self.truth)
        return reported(obs, self.network, cycle)

    def verification(self, cycle: int) -> Float[Array, "withheld"]:
        """The values of the withheld observations in a cycle; NaN where one is missing."""
        assert self.withheld is not None
        if self.withheld.measured is not None:
            dtype = self.system.layout.dtype
            return measure(cycle, self.times[cycle], self.withheld, dtype).y
        obs = self._verify(np.uint32(cycle), self.times[cycle], self.truth)
        return reported(obs, self.withheld, cycle).y

    @cached_property
    def _observe(self) -> Callable[..., Observation]:
        return self._observing(self.network)

    @cached_property
    def _verify(self) -> Callable[..., Observation]:
        assert self.withheld is not None
        return self._observing(self.withheld)

    def _observing(self, network: Network) -> Callable[..., Observation]:
        return jax.jit(lambda k, time, x: observe(self.seed, k, time, network, x[k]))

    def initial(self, n: int, part: slice = slice(None)) -> Members:
        """Members at cycle 0; member i is the same for every ensemble size.

        Arguments:
            n: Ensemble size.
            part: Slice of the ensemble that is returned.
        Raises: UserError where the system has neither climate nor prior to draw from.
        """
        numbers = np.arange(n, dtype=np.uint32)[part]
        key, x = stream(self.seed, "initial"), jnp.asarray(self.truth[0])
        if self.initial_kind == "truth":
            return jnp.tile(x[None], (len(numbers), 1))
        if self.differences is not None:
            about = self.differences
            difference = scaled_difference(self.system, self.network, about, self.start)
            return around(x, numbers, key, difference)
        if self.initial_kind == "climatological":
            climate = jnp.asarray(self.system.climate, x.dtype)
            if len(climate) < 2:
                raise UserError(f"initial.kind: {self.system.name} has no states of the climate")
            return climate[jax.random.permutation(key, len(climate))[numbers % len(climate)]]

        def perturbed(key: Array) -> Array:
            return self.system.perturb(key, x, self.amplitude)

        draw = self.system.prior if self.initial_kind == "prior" else perturbed
        if draw is None:
            raise UserError(f"initial.kind: {self.system.name} has no prior to draw from")
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(numbers)
        return jax.lax.map(draw, keys).astype(x.dtype)
