"""The dry atmosphere's files, and the digest of what they say; no JAX."""

from pathlib import Path

from dabench.systems.atmosphere.files import (
    CALIBRATION,
    CLIMATE,
    GROUND,
    WEIGHTS,
    digest,
    stretches,
)

FILES = Path(__file__).parent / "files"


def digest_of(*, resolution: int = 4, offset: int = 0, files: str = "") -> str:
    """Digest of the system with these settings, as `system.held_suarez` has it."""
    folder = Path(files) if files else FILES
    later = [path for name in (GROUND, CALIBRATION) if (path := folder / name).exists()]
    paths = [folder / WEIGHTS, *stretches(folder), folder / CLIMATE, *later]
    return digest(paths, resolution, offset)
