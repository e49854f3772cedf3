"""The nature run's members as frames of channels, and their statistics."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from dabench.core.files import save
from dabench.systems.atmosphere.atmosphere import Coefficients, Statistics
from dabench.systems.atmosphere.training.levels import Regridded

log = logging.getLogger(__name__)

Regrid = Callable[[Mapping[str, NDArray]], Regridded]


def convert(run: Path, member: str, regrid: Regrid) -> list[Path]:
    """Regrid every segment of a member that has not been regridded yet; files of channels."""
    targets = []
    for source in sorted((run / member).glob("segment_*.npz")):
        target = source.with_name(source.name.replace("segment", "channels"))
        if not target.exists():
            with np.load(source) as arrays:
                save(target, regrid(arrays)._asdict())
            log.info("regridded %s of %s", source.stem, member)
        targets.append(target)
    if not targets:
        raise FileNotFoundError(f"{run}: member {member} has no segment")
    return targets


def load(run: Path, member: str, regrid: Regrid) -> Coefficients:
    """Channels of a member, as far as the nature run has got: consecutive frames."""
    rows = []
    for path in convert(run, member, regrid):
        with np.load(path) as file:
            rows.append(file["coefficients"])
    return np.concatenate(rows)


def left_out(run: Path, members: list[str]) -> Float[np.ndarray, "channel point"]:
    """Time mean of what lies outside the band, over all segments of some members."""
    paths = [path for member in members for path in sorted((run / member).glob("channels_*.npz"))]
    return np.stack([np.load(path)["outside"] for path in paths]).mean(0, dtype=np.float64)


def statistics(members: list[Coefficients]) -> Statistics:
    """Statistics of consecutive 12-hourly frames of several members of one length.

    By Parseval's identity, in float64.
    """
    mean = np.mean([m[:, :, 0].mean(0, dtype=np.float64) for m in members], 0)
    square = np.mean([_mean_square(m) for m in members], 0)
    steps = np.mean([_mean_square(np.diff(m, axis=0)) for m in members], 0)
    area = 4 * np.pi
    std = np.sqrt(square / area - mean**2 / area)
    return Statistics(mean / np.sqrt(area), std, np.sqrt(steps / area))


def _mean_square(frames: Coefficients) -> Float[np.ndarray, "channel"]:
    """Mean over the frames of the sum of squares over the coefficients."""
    return np.stack([(f.astype(np.float64) ** 2).sum(-1) for f in frames]).mean(0)


def save_statistics(path: Path, statistics: Statistics) -> None:
    """Write an npz."""
    save(path, statistics._asdict())


def load_statistics(path: Path) -> Statistics:
    """Read what `save_statistics` wrote."""
    with np.load(path) as file:
        return Statistics(*(file[name] for name in Statistics._fields))
