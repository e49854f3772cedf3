"""Where fetched files are kept."""

import os
from pathlib import Path

VARIABLE = "DABENCH_CACHE"


def folder(dest: str | Path | None = None) -> Path:
    """The folder asked for, else that of DABENCH_CACHE, else the user's cache folder."""
    import platformdirs

    chosen = dest or os.environ.get(VARIABLE) or platformdirs.user_cache_dir("dabench")
    return Path(chosen).expanduser()


def gencast(dest: str | Path | None = None) -> Path:
    """The folder of GenCast's files, laid out as in the official bucket."""
    return folder(dest) / "gencast"


def era5(dest: str | Path | None = None) -> Path:
    """The folder of frames, a zarr for each request."""
    return folder(dest) / "era5"
