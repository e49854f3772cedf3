"""An embedded atmosphere as a system: truth and climate out of the shipped files, on a grid."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dabench.core.errors import UserError
from dabench.diffusion.model import DiffusionModel
from dabench.systems.atmosphere import int16
from dabench.systems.atmosphere.atmosphere import Statistics
from dabench.systems.atmosphere.files import CLIMATE
from dabench.systems.atmosphere.grid import sphere_noise
from dabench.systems.base import System
from dabench.systems.gencast.checkpoint import Checkpoint
from dabench.systems.gencast.network.denoiser import Network

CYCLE_SECONDS = 12 * 3600.0


class NetworkModel(DiffusionModel, Protocol):
    """A diffusion model whose denoiser is GenCast's network."""

    network: Network


class Stretch(NamedTuple):
    """A packed trajectory, and the frame that the truth begins with."""

    path: Path
    offset: int = 0


def need_files(name: str, folder: Path, files: tuple[str, ...]) -> None:
    """UserError if one of a system's files is missing."""
    for file in files:
        if not (folder / file).exists():
            raise UserError(f"{name}: {folder / file} is missing; `dabench train {name}` writes it")


def embedded(
    name: str,
    model: NetworkModel,
    folder: Path,
    resolution: float,
    stretch: Callable[[int], Stretch],
    digest: str,
    extra: Mapping[str, Any],
) -> System:
    """The system of a model and the trajectories in a folder.

    Arguments:
        name: Name of the system.
        folder: Folder of the shipped files.
        resolution: Grid spacing in degrees.
        stretch: Seed -> the trajectory that is its truth.
        digest: Digest of all that determines the numbers.
        extra: Whatever else the system says of itself.
    """
    pairs = on_grid(folder / CLIMATE, resolution)
    climate = pairs.reshape(len(pairs) // 2, -1)

    def truth(seed: int, cycles: int) -> Float[np.ndarray, "cycle state"]:
        path, offset = stretch(seed)
        available = len(int16.load(path).values) - 2 - offset
        if cycles > available:
            raise UserError(
                f"{name}: {cycles} cycles from offset {offset}, but the {path.stem} "
                f"trajectory has {max(available, 0)} from there"
            )
        rows = on_grid(path, resolution, offset, offset + cycles + 2)
        return np.concatenate([rows[:-1], rows[1:]], axis=1)

    return System(
        name=name,
        model=model,
        truth=truth,
        climate=climate,
        perturb=perturbation(climate),
        cycle_seconds=CYCLE_SECONDS,
        digest=digest,
        graph=model.network.graph.digest,
        extra=extra,
    )


def statistics(network: Checkpoint) -> Statistics:
    """The normalisation that a checkpoint of ours carries along."""
    values = (network.metadata[name] for name in Statistics._fields)
    return Statistics(*(np.asarray(v, np.float32) for v in values))


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
