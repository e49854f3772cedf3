"""The files of the embedded atmosphere, and their digest; no JAX."""

import hashlib
from pathlib import Path

FILES = Path(__file__).parent / "files"
WEIGHTS, VERIFICATION, CLIMATE = "gencast.npz", "verification.npz", "climate.npz"


def digest(folder: Path, *settings: object) -> str:
    """Of the files and the settings, all that determines the numbers."""
    content = hashlib.sha256(repr(settings).encode())
    for name in (WEIGHTS, VERIFICATION, CLIMATE):
        content.update((folder / name).read_bytes())
    return content.hexdigest()


def digest_of(*, resolution: int = 4, offset: int = 0, files: str = "") -> str:
    """Of the system with these settings, as `system.held_suarez` has it."""
    return digest(Path(files) if files else FILES, resolution, offset)
