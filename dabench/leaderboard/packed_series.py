"""Long series of a result as short text: every cycle is there, each number to thirteen bits.

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
from numcodecs import BitRound, Shuffle

DIGITS = 7
"""Significant digits of all other numbers in a result."""

BITS = 12
"""Bits of the mantissa that are kept, of the 23 that float32 stores."""

ROUND, SHUFFLE = BitRound(keepbits=BITS), Shuffle(elementsize=4)
"""Rounding to these bits, and sorting of bytes by significance."""

LONG = 100
"""Series up to this length stay lists of numbers."""

MOST = 100_000
"""Largest number of values in a series."""

SMALL, LARGE = 1e-30, 1e30
"""Series with sizes outside of this range, zero excepted, stay lists."""


def rounded(values: Any) -> np.ndarray:
    """Numbers rounded to `BITS` bits of mantissa, ties to even; NaN stays."""
    x = np.array(values, np.float32)
    with np.errstate(over="ignore"):
        nearest = np.asarray(ROUND.encode(x.copy())).view(np.float32)
    return np.where(np.isnan(x), np.float32(np.nan), nearest).astype(np.float32)


def pack(values: Sequence[float | None]) -> Any:
    """A series as a file has it: packed where it is long, with NaN for None; else a list."""
    if len(values) <= LONG:
        return values
    x = np.array(values, float)
    size = np.abs(x[np.isfinite(x) & (x != 0)])
    if size.size and (size.min() < SMALL or size.max() > LARGE):
        return values
    planes = bytes(SHUFFLE.encode(rounded(x).astype("<f4")))
    data = base64.b64encode(zlib.compress(planes, 9)).decode()
    return {"bits": BITS, "length": len(x), "data": data}


def unpack(series: Any) -> Any:
    """The inverse of `pack`, with rounded numbers; anything else as it is.

    Raises: ValueError where a packed series is damaged.
    """
    if not isinstance(series, Mapping):
        return series
    length, data = series.get("length"), series.get("data")
    if not isinstance(length, int) or not 0 < length <= MOST or not isinstance(data, str):
        raise ValueError(f"no packed series of at most {MOST} numbers")
    try:
        raw = base64.b64decode(data, validate=True)
        planes = zlib.decompressobj().decompress(raw, 4 * length + 1)
    except (zlib.error, binascii.Error) as e:
        raise ValueError(str(e)) from None
    if len(planes) != 4 * length:
        raise ValueError(f"not {length} numbers")
    x = np.frombuffer(SHUFFLE.decode(planes), "<f4")
    if np.isinf(x).any() or not np.array_equal(rounded(x), x, equal_nan=True):
        raise ValueError(f"numbers that do not have {BITS} bits")
    return [None if np.isnan(v) else float(v) for v in x]


def is_of(packed: Sequence[float | None], whole: Sequence[float | None], slack: float) -> bool:
    """Whether rounded numbers are those of a whole series, to half of the last bit.

    Arguments:
        slack: Relative error of the whole numbers themselves.
    """
    a, b = np.array(packed, float), np.array(whole, float)
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return False
    half = np.exp2(np.floor(np.log2(np.fmax(abs(b), SMALL))) - BITS - 1)
    return not np.any(abs(a - b) > half + slack * abs(b))


def pack_times(seconds: Sequence[float]) -> Any:
    """Valid times: first, step and length where they are regular and many; a list otherwise."""
    if len(seconds) > LONG:
        regular = {"first": seconds[0], "step": seconds[1] - seconds[0], "length": len(seconds)}
        if unpack_times(regular) == list(seconds):
            return regular
    return seconds


def unpack_times(times: Any) -> Any:
    """The inverse of `pack_times`; ValueError where packed times are damaged."""
    if not isinstance(times, Mapping):
        return times
    try:
        first, step, length = float(times["first"]), float(times["step"]), int(times["length"])
    except (KeyError, TypeError, ValueError) as e:
        raise ValueError(f"no regular times: {e!r}") from None
    if not 0 < length <= MOST:
        raise ValueError(f"no regular times of at most {MOST} cycles")
    return [float(f"{first + step * k:.{DIGITS}g}") for k in range(length)]
