"""A twin experiment: a known truth, observations made from it, and initial members around it."""

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
from dabench.observe.network import Network, Observation, observe
from dabench.systems.base import System


@dataclass(frozen=True, eq=False)
class Twin:
    """A twin experiment: what is true, what is seen, and what is known at the start.

    Arguments:
        start: Valid time of cycle 0 in seconds.
        withheld: What no method is given, to verify all methods.
        kind: Initial members: the `truth` copied, `perturbed`, `climatological` draws (each once
            while there are enough), or draws of the system's `prior`.
        amplitude: Of the perturbations, as in `System.perturb`.
    """

    system: System
    network: Network
    truth: Float[Array, "cycle state"]
    seed: int
    start: float = 0.0
    kind: Literal["truth", "perturbed", "climatological", "prior"] = "perturbed"
    amplitude: float = 1.0
    withheld: Network | None = None

    @property
    def cycles(self) -> int:
        return len(self.truth) - 1

    @property
    def times(self) -> Float[np.ndarray, "cycle"]:
        """Valid times in seconds."""
        return self.start + self.system.cycle_seconds * np.arange(self.cycles + 1)

    def observation(self, cycle: int) -> Observation:
        """What arrives in a cycle, from 1 on."""
        return self._observe(np.uint32(cycle), self.times[cycle], self.truth)

    def verification(self, cycle: int) -> Float[Array, "withheld"]:
        """The values that are withheld in a cycle."""
        return self._verify(np.uint32(cycle), self.times[cycle], self.truth).y

    @cached_property
    def _observe(self) -> Callable[..., Observation]:
        return self._of(self.network)

    @cached_property
    def _verify(self) -> Callable[..., Observation]:
        assert self.withheld is not None
        return self._of(self.withheld)

    def _of(self, network: Network) -> Callable[..., Observation]:
        return jax.jit(lambda k, time, x: observe(self.seed, k, time, network, x[k]))

    def initial(self, n: int, part: slice = slice(None)) -> Members:
        """n members at cycle 0, or a part of them; member i is the same for every n."""
        numbers = np.arange(n, dtype=np.uint32)[part]
        key, x = stream(self.seed, "initial"), jnp.asarray(self.truth[0])
        if self.kind == "truth":
            return jnp.tile(x[None], (len(numbers), 1))
        if self.kind == "climatological":
            climate = jnp.asarray(self.system.climate, x.dtype)
            if len(climate) < 2:
                raise UserError(f"initial.kind: {self.system.name} has no states of the climate")
            return climate[jax.random.permutation(key, len(climate))[numbers % len(climate)]]

        def perturbed(key: Array) -> Array:
            return self.system.perturb(key, x, self.amplitude)

        draw = self.system.prior if self.kind == "prior" else perturbed
        if draw is None:
            raise UserError(f"initial.kind: {self.system.name} has no prior to draw from")
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(numbers)
        return jax.lax.map(draw, keys).astype(x.dtype)
