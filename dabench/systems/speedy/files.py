"""The files of SPEEDY's atmosphere, and the digest of what they say; no JAX."""

from pathlib import Path
from typing import Literal

from dabench.systems.atmosphere.files import (
    CALIBRATION,
    CLIMATE,
    GROUND,
    LONG,
    TUNING,
    WEIGHTS,
    digest,
    stretches,
)

FILES = Path(__file__).parent / "files"
Truth = Literal["verification", "tuning", "long"]


def trajectories(folder: Path, truth: Truth) -> list[Path]:
    """The files of a kind of truth: seed s has number s modulo how many there are."""
    return {
        "verification": stretches(folder),
        "tuning": [folder / TUNING],
        "long": [folder / LONG],
    }[truth]


def digest_of(*, resolution: int = 4, truth: Truth = "verification", files: str = "") -> str:
    """Digest of the system with these settings, as `system.speedy` has it."""
    folder = Path(files) if files else FILES
    fixed = [folder / name for name in (WEIGHTS, CALIBRATION, GROUND, CLIMATE)]
    return digest([*fixed, *trajectories(folder, truth)], resolution, truth)
