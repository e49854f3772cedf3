"""Files and folders that readers see whole or not at all."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

PART = ".part"
"""Ending of what is not whole yet; a process that is killed may leave some."""


def replace(path: Path, content: bytes) -> None:
    """Write a whole file so that readers see the old one or the new one, never a part."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file to write, which takes the place of `path` when the block ends without error."""
    part = _part_of(path)
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `path` when the block ends without error.

    OSError where `path` is a folder that is not empty.
    """
    part = _part_of(path)
    try:
        part.mkdir(parents=True)
        yield part
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def save(path: Path, arrays: Mapping[str, Any], compress: bool = False) -> None:
    """Write an npz so that readers see the old file or the new one, never a part."""
    with replacing(path) as file:
        (np.savez_compressed if compress else np.savez)(file, **arrays)


def _part_of(path: Path) -> Path:
    """The place of what is to become `path`, different for every process."""
    return path.with_name(f"{path.name}.{os.getpid()}{PART}")
