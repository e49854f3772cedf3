"""The folder of a run: who may write there, and whether what is there is what is asked for."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dabench.core.errors import UserError
from dabench.runs.archive.read import attributes


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a run's folder alone. The system frees the lock when its process dies."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    owner = folder.with_name(f".{folder.name}.owner")
    lock_file = FileLock(_lock_file(folder), fallback_to_soft=False)
    try:
        lock_file.acquire(timeout=0)
    except Timeout:
        name = owner.read_text().strip() if owner.exists() else "just started"
        raise UserError(
            f"{folder}: in use by another dabench ({name}). "
            "Wait for it to end, or choose another folder with --out."
        ) from None
    except OSError as e:
        raise UserError(
            f"{folder}: its filesystem has no file locks ({e.strerror}). "
            "Mount it with locks, or choose a folder on another one with --out."
        ) from None
    try:
        owner.write_text(f"process {os.getpid()} on {platform.node()}\n")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock_file.release()


@contextmanager
def lock_new(folder: Path) -> Iterator[None]:
    """Hold a run's folder alone while it is made; if it is not, nothing is left of the lock."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    with ExitStack() as stack:
        stack.callback(_remove_empty, missing)
        stack.enter_context(lock(folder))
        stack.callback(_remove_lock_without, folder)
        yield


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, innermost first, as far as nothing is in them."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _remove_lock_without(folder: Path) -> None:
    if not folder.exists():
        _lock_file(folder).unlink(missing_ok=True)


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def set_aside(folder: Path) -> Path | None:
    """Rename a run's folder to the first free `<folder>.<n>`; None if there is no archive."""
    if not (folder / "archive.zarr").exists():
        return None
    aside = next(p for n in count(1) if not (p := folder.with_name(f"{folder.name}.{n}")).exists())
    return folder.rename(aside)


def check(folder: Path, identity: Mapping[str, Any], graph: str = "") -> None:
    """UserError unless the archive there, if any, is of this run and this graph of its model.

    Arguments:
        identity: All that determines the numbers, as the archive's attributes have it.
        graph: Digest of the graph of the model's network; compared where both have one.
    """
    attrs = attributes(folder)
    if attrs is None:
        return
    there, here = _flat(attrs["identity"]), _flat(json.loads(json.dumps(identity)))
    differ = [k for k in there | here if there.get(k) != here.get(k)]
    if differ:
        lines = [f"  {k}: {there.get(k)} there, {here.get(k)} asked" for k in differ[:8]]
        raise UserError(
            f"{folder} holds another run:\n"
            + "\n".join(lines)
            + "\nUse --tag NAME to have both, or --fresh (the old run is renamed, not deleted)."
        )
    _check_graph(folder, attrs.get("provenance", {}).get("graph", ""), graph)


def _check_graph(folder: Path, begun_with: str, graph: str) -> None:
    if begun_with and graph and begun_with != graph:
        raise UserError(
            f"{folder}: begun with another graph of the network (sha256 {begun_with[:12]}..) than "
            f"this machine builds ({graph[:12]}..), so it cannot be continued here.\n"
            "Continue it where it began, or use --fresh (the old run is renamed, not deleted)."
        )


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        pairs = [_flat(v, f"{path}.{k}" if path else str(k)) for k, v in value.items()]
        return {k: v for pair in pairs for k, v in pair.items()}
    return {path: value}
