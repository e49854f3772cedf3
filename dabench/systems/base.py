"""What a forecast model, its state and a system are, for every other part of dabench."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from dabench.core.layout import Channel, Layout
from dabench.diffusion.model import DiffusionModel, ForecastModel, Model, Sampler

__all__ = [
    "Channel",
    "DiffusionModel",
    "ForecastModel",
    "Layout",
    "Model",
    "ModelCost",
    "Sampler",
    "System",
]


class ModelCost(NamedTuple):
    """What a diffusion model takes, as far as it can be counted without its files.

    Arguments:
        flops: Floating-point operations of one evaluation of one member.
        step_bytes: Bytes of the guided step of each member in the model at once.
        context_bytes: Bytes of the context that is kept for each member.
        frame_bytes: Bytes of one frame of one member.
        weights_bytes: Bytes of the parameters.
        batch: Number of members in the model at once.
        sampler: The model's own sampler.
        missing: Commands that get the files that are not here.
    """

    flops: float
    step_bytes: float
    context_bytes: float
    frame_bytes: float
    weights_bytes: float
    batch: int
    sampler: Sampler
    missing: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class System:
    """A forecast model together with the truth it is tried on.

    Arguments:
        name: As in the scenario.
        model: What filters may use.
        truth: (seed, cycles) -> (cycles + 1, state): states at cycle 0, 1, .. cycles. Systems with
            one verification trajectory start it at `start` and ignore the seed; those with
            several give each seed the next one, in turn.
        climate: (draws, state) states of the climate, none of them from the truth's period.
        perturb: (key, x (state,), amplitude) -> (state,): a balanced perturbation of one state;
            amplitude in units of the climatological standard deviation, or of the state for toys.
        prior: key -> (state,): a draw from the law that the truth starts from, where it has one.
        cycle_seconds: Length of a cycle in seconds of model time.
        trajectory: Seed -> name of the trajectory that is the truth, where seeds share some; None
            where every seed has a truth of its own.
        start: Valid time of cycle 0 as ISO text where there is a calendar, else None.
        digest: Digest of everything that determines the numbers (settings, weights, data).
        graph: Digest of the edges of the network's graph; empty where the model has none.
        batch: Number of members that the model holds at once.
        memory_advice: Settings that make the model take less memory, as a message names them.
    """

    name: str
    model: Model
    truth: Callable[[int, int], Any]
    climate: Any
    perturb: Callable[[jax.Array, jax.Array, float], jax.Array]
    cycle_seconds: float
    trajectory: Callable[[int], str] | None = None
    start: str | None = None
    prior: Callable[[jax.Array], jax.Array] | None = None
    digest: str = ""
    graph: str = ""
    batch: int = 8
    memory_advice: str = ""

    @property
    def layout(self) -> Layout:
        return self.model.layout
