"""Numbers and arrays as JSON has them."""

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """A number or an array as JSON has it; NaN and infinities become null."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim:
        return [plain(v) for v in array]
    return float(array) if np.isfinite(array) else None
