"""An embedded atmosphere as a system: truth and climate out of the shipped files, on a grid."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from dabench.core.errors import UserError
from dabench.systems import perturbations
from dabench.systems.atmosphere import int16
from dabench.systems.atmosphere.atmosphere import Statistics
from dabench.systems.atmosphere.coasts import Coasts
from dabench.systems.atmosphere.files import CLIMATE
from dabench.systems.atmosphere.grid import sphere_noise
from dabench.systems.atmosphere.model import BATCH
from dabench.systems.base import System
from dabench.systems.gencast.checkpoint import Checkpoint
from dabench.systems.gencast.model import GenCast

CYCLE_SECONDS = 12 * 3600.0


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
    model: GenCast,
    folder: Path,
    resolution: float,
    stretch: Callable[[int], Stretch],
    digest: str,
    coasts: Coasts | None = None,
) -> System:
    """The system of a model and the trajectories in a folder.

    Arguments:
        name: Name of the system.
        folder: Folder of the shipped files.
        resolution: Grid spacing in degrees.
        stretch: Seed -> the trajectory that is its truth.
        digest: Digest of all that determines the numbers.
        coasts: Maps that are added to every frame; none by default.
    """
    pairs = on_grid(folder / CLIMATE, resolution, coasts)
    climate = pairs.reshape(len(pairs) // 2, -1)

    def truth(seed: int, cycles: int) -> Float[np.ndarray, "cycle state"]:
        path, offset = stretch(seed)
        available = len(int16.load(path).values) - 2 - offset
        if cycles > available:
            raise UserError(
                f"{name}: {cycles} cycles from offset {offset}, but the {path.stem} "
                f"trajectory has {max(available, 0)} from there"
            )
        rows = on_grid(path, resolution, coasts, offset, offset + cycles + 2)
        return np.concatenate([rows[:-1], rows[1:]], axis=1)

    return System(
        name=name,
        model=model,
        truth=truth,
        climate=climate,
        perturb=perturbations.of_climate(climate),
        cycle_seconds=CYCLE_SECONDS,
        trajectory=lambda seed: stretch(seed).path.stem,
        digest=digest,
        graph=model.network.graph.digest,
        batch=BATCH,
    )


def statistics(network: Checkpoint) -> Statistics:
    """The normalisation that a checkpoint of ours carries along."""
    values = (network.metadata[name] for name in Statistics._fields)
    return Statistics(*(np.asarray(v, np.float32) for v in values))


def on_grid(
    path: Path,
    resolution: float,
    coasts: Coasts | None = None,
    start: int = 0,
    stop: int | None = None,
) -> Float[np.ndarray, "frame field"]:
    """Frames of a packed file on a grid: float32, (channel, point) flattened."""
    synthesise = _synthesis(resolution)
    stored = int16.load(path)
    frames = int16.unpack(stored._replace(values=stored.values[start:stop]))
    rows = np.stack([np.asarray(synthesise(f)).ravel() for f in frames])
    return rows if coasts is None else rows + coasts.ravel()[None]


@cache
def _synthesis(resolution: float):
    return jax.jit(sphere_noise(resolution).synthesise)
