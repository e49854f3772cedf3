"""Coefficients of frames as small integers, one scale a channel and degree."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int16

from dabench.core import files
from dabench.systems.atmosphere.atmosphere import LMAX, Coefficients
from dabench.systems.sphere.harmonics import degrees


class Packed(NamedTuple):
    """values · scale[degree] + mean: frames of coefficients, each a rounded integer."""

    values: Int16[np.ndarray, "frame channel coefficient"]
    scale: Float[np.ndarray, "channel degree"]
    mean: Float[np.ndarray, "channel coefficient"]


def pack(frames: Coefficients, bits: int = 16) -> Packed:
    """Departures from the time mean in 2^(bits - 1) - 1 steps to their largest, by degree."""
    degree = degrees(LMAX)
    mean = frames.mean(0, dtype=np.float64)
    departure = frames - mean[None]
    largest = np.maximum.reduceat(np.abs(departure).max(0), _first(), axis=-1)
    scale = np.maximum(largest, 1e-30) / (2 ** (bits - 1) - 1)
    values = np.rint(departure / scale[:, degree][None]).astype(np.int16)
    return Packed(values, scale.astype(np.float32), mean.astype(np.float32))


def unpack(packed: Packed) -> Coefficients:
    """The frames, float32."""
    scale = packed.scale[:, degrees(LMAX)]
    return packed.mean[None] + packed.values.astype(np.float32) * scale[None]


def rounding_error(frames: Coefficients, packed: Packed) -> Float[np.ndarray, "channel"]:
    """Root-mean-square error of packing over time and area, in the channels' units."""
    square = ((unpack(packed).astype(np.float64) - frames) ** 2).sum(-1).mean(0)
    return np.sqrt(square / (4 * np.pi))


def _first() -> np.ndarray:
    return np.arange(LMAX + 1) ** 2


def save(path: Path, packed: Packed) -> None:
    """Write an npz.

    Low and high bytes go apart: of twelve bits, the high bytes then compress to a third.
    """
    low, high = packed.values.astype(np.uint8), (packed.values >> 8).astype(np.int8)
    arrays = {"low": low, "high": high, "scale": packed.scale, "mean": packed.mean}
    files.save(path, arrays, compress=True)


def load(path: Path) -> Packed:
    """Read what `save` wrote, or a file that holds the values in one piece."""
    with np.load(path) as file:
        if "values" in file:
            return Packed(file["values"], file["scale"], file["mean"])
        values = (file["high"].astype(np.int16) << 8) | file["low"]
        return Packed(values.astype(np.int16), file["scale"], file["mean"])
