"""The embedded atmosphere as a system: the shipped network, truth and climate on a chosen grid."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Ge
from jaxtyping import Array, Float

from dabench.core.errors import UserError
from dabench.systems.base import System
from dabench.systems.gencast import checkpoint
from dabench.systems.held_suarez import channels, int16
from dabench.systems.held_suarez.files import CLIMATE, FILES, VERIFICATION, WEIGHTS, digest
from dabench.systems.held_suarez.model import BATCH, HeldSuarezModel, sphere_noise

CYCLE_SECONDS = 12 * 3600.0


def held_suarez(
    *, resolution: Literal[2, 4] = 4, offset: Annotated[int, Ge(0)] = 0, files: str = ""
) -> System:
    """A dry global atmosphere with a small GenCast, both shipped with the package.

    Arguments:
        resolution: Grid spacing in degrees; the same weights, truth and climate on either grid.
        offset: Where on the verification trajectory the truth begins, in cycles.
        files: Folder with other weights and data, as written by `dabench train held_suarez`.

    Truth and climate come from a nature run's member that the network was never trained on.
    """
    folder = Path(files) if files else FILES
    for name in (WEIGHTS, VERIFICATION, CLIMATE):
        if not (folder / name).exists():
            raise UserError(f"held_suarez: {folder / name} is missing; `dabench train` writes it")
    network = checkpoint.load(folder / WEIGHTS)
    model = HeldSuarezModel(network, statistics(network), resolution)
    pairs = on_grid(folder / CLIMATE, resolution)
    climate = pairs.reshape(len(pairs) // 2, -1)

    def truth(seed: int, cycles: int) -> Float[np.ndarray, "cycle state"]:
        frames = int16.load(folder / VERIFICATION).values
        available = len(frames) - 2 - offset
        if cycles > available:
            raise UserError(
                f"held_suarez: {cycles} cycles from offset {offset}, but the verification "
                f"trajectory has {max(available, 0)} from there"
            )
        rows = on_grid(folder / VERIFICATION, resolution, offset, offset + cycles + 2)
        return np.concatenate([rows[:-1], rows[1:]], axis=1)

    return System(
        name="held_suarez",
        model=model,
        truth=truth,
        climate=climate,
        perturb=perturbation(climate),
        cycle_seconds=CYCLE_SECONDS,
        digest=digest(folder, resolution, offset),
        extra={"resolution": resolution, "offset": offset, "batch": BATCH},
    )


def statistics(network: checkpoint.Checkpoint) -> channels.Statistics:
    """The normalisation that a checkpoint of ours carries along."""
    values = (network.metadata[name] for name in channels.Statistics._fields)
    return channels.Statistics(*(np.asarray(v, np.float32) for v in values))


def on_grid(
    path: Path, resolution: float, start: int = 0, stop: int | None = None
) -> Float[np.ndarray, "frame field"]:
    """Frames of a packed file on a grid: float32, (channel, point) flattened."""
    synthesise = _synthesis(resolution)
    stored = int16.load(path)
    frames = int16.unpack(stored._replace(values=stored.values[start:stop]))
    return np.stack([np.asarray(synthesise(f)).ravel() for f in frames])


@cache
def _synthesis(resolution: float):
    return jax.jit(sphere_noise(resolution).synthesise)


def perturbation(climate: Float[np.ndarray, "draw state"]):
    """The system's `perturb`: a difference of two climate states, scaled and added.

    The difference of two independent states has √2 the climate's standard deviation, hence the
    factor; both frames of a state get the same pair's, so the perturbation is balanced and moves.
    """
    states = jnp.asarray(climate)

    def perturb(key: Array, x: Float[Array, "state"], amplitude: float) -> Float[Array, "state"]:
        first, second = jax.random.choice(key, len(states), (2,), replace=False)
        return x + amplitude * (states[first] - states[second]) * 0.5**0.5

    return perturb
