"""Coefficients of frames as 16-bit integers, one scale a channel and degree."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int16

from dabench.core import files
from dabench.systems.held_suarez import harmonics
from dabench.systems.held_suarez.channels import Coefficients


class Packed(NamedTuple):
    """values · scale[degree] + centre[degree]: frames of coefficients, each a rounded integer."""

    values: Int16[np.ndarray, "frame channel coefficient"]
    scale: Float[np.ndarray, "channel degree"]
    mean: Float[np.ndarray, "channel coefficient"]


def pack(frames: Coefficients) -> Packed:
    """Round departures from the time mean to 1/32767 of their largest, per channel and degree."""
    degree = harmonics.degrees()
    mean = frames.mean(0, dtype=np.float64)
    departure = frames - mean[None]
    largest = np.maximum.reduceat(np.abs(departure).max(0), _first(), axis=-1)
    scale = np.maximum(largest, 1e-30) / 32767
    values = np.rint(departure / scale[:, degree][None]).astype(np.int16)
    return Packed(values, scale.astype(np.float32), mean.astype(np.float32))


def unpack(packed: Packed) -> Coefficients:
    """The frames, float32."""
    scale = packed.scale[:, harmonics.degrees()]
    return packed.mean[None] + packed.values.astype(np.float32) * scale[None]


def rounding_error(frames: Coefficients, packed: Packed) -> Float[np.ndarray, "channel"]:
    """Root-mean-square error of packing over time and area, in the channels' units."""
    square = ((unpack(packed).astype(np.float64) - frames) ** 2).sum(-1).mean(0)
    return np.sqrt(square / (4 * np.pi))


def _first() -> np.ndarray:
    return np.arange(harmonics.LMAX + 1) ** 2


def save(path: Path, packed: Packed) -> None:
    """Write an npz."""
    files.save(path, packed._asdict(), compress=True)


def load(path: Path) -> Packed:
    """Read what `save` wrote."""
    with np.load(path) as file:
        return Packed(*(file[name] for name in Packed._fields))
