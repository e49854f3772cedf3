"""Faults of the machine around a command, as messages: disks, folders, devices, terminals.

They are no bugs, and their tracebacks would help nobody. A full disk or a folder that cannot be
written may be met wherever files are written, so they are told here, once for all commands.
"""

import codecs
import errno
import io
import os
import re
import sys
import traceback
import unicodedata
from collections.abc import Iterable
from typing import TextIO

from dabench.core.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
NO_HOME = re.compile("could not determine (the )?home directory", re.IGNORECASE)
NO_BACKEND = "Unable to initialize backend"  # jax
PLAIN = {"–": "-", "−": "-", "·": "|", "…": ".", "σ": "s", "α": "a", "μ": "u", "°": "o"}
"""Characters of tables, and what stands for them where a terminal has no Unicode."""


def explained(error: Exception) -> Exception:
    """The error, or a UserError on the fault of the machine that it comes from.

    Arguments:
        error: Error that ended a command or a run.
    """
    text = _words(error)
    return error if text is None else UserError(text)


def _words(error: Exception) -> str | None:
    """What is wrong with the machine and what would help; None where the fault is another."""
    if isinstance(error, OSError):
        return _about_files(error)
    if NO_HOME.search(str(error)):
        return "this user has no home folder; set HOME, or DABENCH_CACHE, to a folder that there is"
    if NO_BACKEND in str(error) or _from_backends(error):
        platforms = os.environ.get("JAX_PLATFORMS", "")
        return (
            f"JAX_PLATFORMS={platforms}: JAX finds no such device, or was installed without its "
            "part for it; take JAX_PLATFORMS=cpu, or leave it out for the best device there is"
        )
    return None


def _about_files(error: OSError) -> str | None:
    reason = error.strerror or str(error)
    place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    if error.errno in FULL:
        return f"{place}{reason}; what was whole before is kept: make room, and repeat the command"
    if error.errno in CLOSED or isinstance(error, PermissionError):
        return f"{place}{reason}; choose another folder with --out, or change who may use this one"
    return None


def _from_backends(error: Exception) -> bool:
    """Whether JAX was looking for its devices; an assertion of it has no text.

    JAX may have taken its own frames out of the traceback; then it is asked for its devices again.
    """
    if not isinstance(error, AssertionError) or str(error):
        return False
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename.endswith("xla_bridge.py") for frame in frames) or (
        bool(os.environ.get("JAX_PLATFORMS")) and not _has_devices()
    )


def _has_devices() -> bool:
    import jax

    try:
        return bool(jax.devices())
    except (AssertionError, RuntimeError):
        return False


def print_anywhere(streams: Iterable[TextIO] | None = None) -> None:
    """Let the streams of this process write a similar character for one that they do not have.

    Arguments:
        streams: Text streams; default standard output and standard error.
    """
    codecs.register_error("similar", _similar)
    for stream in (sys.stdout, sys.stderr) if streams is None else streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="similar")


def _similar(error: UnicodeError) -> tuple[str, int]:
    """ASCII for what an encoding lacks: `2` for `²`, `-` for a dash, else a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_plain, text)), error.end


def _plain(character: str) -> str:
    simple = unicodedata.normalize("NFKD", PLAIN.get(character, character))
    return simple.encode("ascii", "ignore").decode() or "?"
