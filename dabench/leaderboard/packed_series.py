"""Long series of a result as text: every cycle is kept, each number to thirteen bits.

A number's mantissa is rounded to `BITS` bits (12 and the leading one: 1.2e-4 of it at most, whole
numbers to 8192 not at all); float32, its bytes sorted by significance, compressed, base64. That is
two or three characters a number instead of nine, and enough: rounding adds to the differences that
`compare` tests noise of 1e-4 of a score, where cycles differ by tenths of it.

Source: Kloewer et al. (2021), Nature Comput. Sci. 1, 713 (rounding bits before compression).
"""

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

DIGITS = 7
"""Significant digits of all other numbers in a result."""

BITS = 12
"""Of the 23 stored bits of a mantissa in float32."""

LONG = 100
"""Shorter series stay lists of numbers."""

MOST = 100_000
"""Numbers in a series."""

SMALL, LARGE = 1e-30, 1e30
"""Series with numbers beyond, but zero, stay lists."""


def rounded(values: Any) -> np.ndarray:
    """Numbers to `BITS` bits of mantissa, ties to even; NaN stays."""
    x = np.array(values, np.float32)
    drop = np.uint32(23 - BITS)
    bits = x.view(np.uint32)
    half = np.uint32((1 << (int(drop) - 1)) - 1) + ((bits >> drop) & np.uint32(1))
    with np.errstate(over="ignore"):
        kept = (((bits + half) >> drop) << drop).view(np.float32)
    return np.where(np.isnan(x), np.float32(np.nan), kept).astype(np.float32)


def pack(values: Sequence[float | None]) -> Any:
    """A series as a file has it: packed where it is long, None being NaN; a list otherwise."""
    if len(values) <= LONG:
        return values
    x = np.array(values, float)
    size = np.abs(x[np.isfinite(x) & (x != 0)])
    if size.size and (size.min() < SMALL or size.max() > LARGE):
        return values
    planes = rounded(x).astype("<f4").view(np.uint8).reshape(-1, 4).T
    data = base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode()
    return {"bits": BITS, "length": len(x), "data": data}


def unpack(given: Any) -> Any:
    """What `pack` was given, rounded; anything else as it is. ValueError where it is damaged."""
    if not isinstance(given, Mapping):
        return given
    length, data = given.get("length"), given.get("data")
    if not isinstance(length, int) or not 0 < length <= MOST or not isinstance(data, str):
        raise ValueError(f"no packed series of at most {MOST} numbers")
    try:
        raw = base64.b64decode(data, validate=True)
        planes = zlib.decompressobj().decompress(raw, 4 * length + 1)
    except (zlib.error, binascii.Error) as e:
        raise ValueError(str(e)) from None
    if len(planes) != 4 * length:
        raise ValueError(f"not {length} numbers")
    x = np.frombuffer(planes, np.uint8).reshape(4, -1).T.copy().view("<f4").ravel()
    if np.isinf(x).any() or not np.array_equal(rounded(x), x, equal_nan=True):
        raise ValueError(f"numbers that do not have {BITS} bits")
    return [None if np.isnan(v) else float(v) for v in x]


def is_of(kept: Sequence[float | None], whole: Sequence[float | None], slack: float) -> bool:
    """Whether numbers are those of a whole series, to half of the last bit that is kept.

    Arguments:
        slack: How well the whole numbers are known, relative.
    """
    a, b = np.array(kept, float), np.array(whole, float)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return False
    half = np.exp2(np.floor(np.log2(np.fmax(abs(b), SMALL))) - BITS - 1)
    return not np.any(abs(a - b) > half + slack * abs(b))


def pack_times(seconds: Sequence[float]) -> Any:
    """Valid times: first, step and length where they are regular and many; a list otherwise."""
    if len(seconds) > LONG:
        told = {"first": seconds[0], "step": seconds[1] - seconds[0], "length": len(seconds)}
        if unpack_times(told) == list(seconds):
            return told
    return seconds


def unpack_times(given: Any) -> Any:
    """What `pack_times` was given; ValueError where that cannot be."""
    if not isinstance(given, Mapping):
        return given
    try:
        first, step, length = float(given["first"]), float(given["step"]), int(given["length"])
    except (KeyError, TypeError, ValueError) as e:
        raise ValueError(f"no regular times: {e!r}") from None
    if not 0 < length <= MOST:
        raise ValueError(f"no regular times of at most {MOST} cycles")
    return [float(f"{first + step * k:.{DIGITS}g}") for k in range(length)]
