"""What training changes, from its first step to its last, and what determines that."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from dabench.core.files import save
from dabench.systems.gencast import checkpoint
from dabench.systems.gencast.network import parameters


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """Everything that determines the weights, besides the data and the network's configuration.

    The learning rate rises over `warmup` steps, stays at `peak_rate` and falls linearly to zero
    over the last `decay_share` of `steps`, so a run may be prolonged before its decay begins.
    `input_error` are the least and the largest size of the errors that inputs carry; see
    `TrainingFrames.draw`.
    """

    steps: int = 20000
    batch: int = 4
    peak_rate: float = 3e-3
    warmup: int = 100
    decay_share: float = 0.25
    ema: float = 0.999
    clip: float = 1.0
    sigma_min: float = 0.02
    sigma_max: float = 88.0
    input_error: tuple[float, float] = (0.01, 0.3)
    seed: int = 7
    save_every: int = 250
    validate_every: int = 500

    def rate(self, step: Any) -> Any:
        """Learning rate of a step, counted from zero."""
        step = jnp.asarray(step, jnp.float32)
        rise = jnp.minimum(1.0, (step + 1) / self.warmup)
        fall = jnp.clip((self.steps - step) / (self.decay_share * self.steps), 0.0, 1.0)
        return self.peak_rate * rise * fall


class TrainState(NamedTuple):
    """All that changes during training, and so all that resuming needs."""

    params: checkpoint.Params
    average: checkpoint.Params
    optimiser: Any
    step: Array


def optimiser(settings: TrainSettings) -> optax.GradientTransformation:
    """Adam with clipped gradients and the settings' rate."""
    return optax.chain(
        optax.clip_by_global_norm(settings.clip),
        optax.scale_by_adam(),
        optax.scale_by_learning_rate(settings.rate),
    )


def initial_state(
    settings: TrainSettings,
    config: checkpoint.Config,
    params: checkpoint.Params | None = None,
) -> TrainState:
    """The state before the first step, from `params` or from fresh random ones."""
    if params is None:
        params = parameters.initialise(jax.random.key(settings.seed), config, output_scale=0.1)
    first: Any = jax.tree.map(jnp.asarray, params)
    average = jax.tree.map(jnp.array, first)
    return TrainState(first, average, optimiser(settings).init(first), jnp.zeros((), jnp.int32))


def save_state(path: Path, state: TrainState) -> None:
    """Write everything needed to resume, so that the file is either absent or whole."""
    leaves = jax.tree.leaves(state)
    save(path, {f"leaf_{i:04d}": np.asarray(leaf) for i, leaf in enumerate(leaves)})


def load_state(path: Path, like: TrainState) -> TrainState:
    """What `save_state` wrote, in the structure of `like`."""
    with np.load(path) as file:
        leaves = [jnp.asarray(file[name]) for name in sorted(file.files)]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def load_average(folder: Path, config: checkpoint.Config) -> tuple[checkpoint.Params, int]:
    """The averaged parameters of the training in `folder`, and how many steps it has made."""
    state = load_state(folder / "state.npz", initial_state(TrainSettings(), config))
    return state.average, int(state.step)
