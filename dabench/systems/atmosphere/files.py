"""The files of an embedded atmosphere, and their digest; no JAX."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

WEIGHTS, CALIBRATION = "gencast.npz", "calibration.npz"
CLIMATE, GROUND = "climate.npz", "ground.npz"
TUNING, LONG = "tuning.npz", "long.npz"
PROVENANCE = "provenance.json"


def verification(stretch: int) -> str:
    """File of a verification stretch, counted from zero."""
    return f"verification_{stretch}.npz"


def stretches(folder: Path) -> list[Path]:
    """The verification stretches in a folder; seed s has number s modulo how many there are."""
    return sorted(folder.glob("verification_*.npz"))


def digest(paths: Sequence[Path], *settings: object) -> str:
    """Digest of files and settings: of all that determines the numbers."""
    content = hashlib.sha256(repr(settings).encode())
    for path in paths:
        content.update(path.read_bytes())
    return content.hexdigest()
