"""Files and folders that readers see whole or not at all, even after the power was lost.

What is written lies beside its place until it is on the disk, and takes the place then. A folder is
on the disk with the names of its files once it was synced itself.
"""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

PART = ".part"
"""Ending of what is not whole yet; a process that is killed may leave some."""
AT_ONCE = 16  # files that are synced together: a disk then writes them in one go
CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP)  # what some filesystems say of any folder


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
        sync([path.parent])
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
        sync([part, *part.rglob("*")])
        os.replace(part, path)
        sync([path.parent])
    finally:
        shutil.rmtree(part, ignore_errors=True)


def move_together(parts: Mapping[Path, Path], folders: Iterable[Path]) -> None:
    """Put files in their places once all of them are on the disk.

    Arguments:
        parts: Files as they were written, with the places that they take.
        folders: Folders that have a new name in them: those of the places, and of new folders.
    """
    sync(parts)
    for part, place in parts.items():
        os.replace(part, place)
    sync(folders)


def sync(paths: Iterable[Path]) -> None:
    """Wait until files, and the names in folders, are on the disk."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(_sync, paths))


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as e:
        if e.errno not in CANNOT_SYNC or not path.is_dir():
            raise
    finally:
        os.close(number)


def save(path: Path, arrays: Mapping[str, Any], compress: bool = False) -> None:
    """Write an npz so that readers see the old file or the new one, never a part."""
    with replacing(path) as file:
        (np.savez_compressed if compress else np.savez)(file, **arrays)


def _part_of(path: Path) -> Path:
    """The place of what is to become `path`, different for every process."""
    return path.with_name(f"{path.name}.{os.getpid()}{PART}")
