"""Files that readers see whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np


def replace(path: Path, content: bytes) -> None:
    """Write a whole file so that readers see the old one or the new one, never a part."""
    with replacing(path) as f:
        f.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file to write, which takes the place of `path` when the block ends without error."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def save(path: Path, arrays: Mapping[str, Any], compress: bool = False) -> None:
    """Write an npz so that the file is either absent or whole."""
    draft = path.with_suffix(f".{os.getpid()}.part")
    with draft.open("wb") as file:
        (np.savez_compressed if compress else np.savez)(file, **arrays)
    draft.replace(path)
