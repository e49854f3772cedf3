"""The exception for mistakes that a user can mend, and the warning about results."""

import sys
import sysconfig
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class UserError(Exception):
    """A mistake in the input; the message says where it is, what was found and what would work.

    The command line prints the message alone and exits with code 2; every other exception is a bug
    and keeps its traceback.
    """


def in_words(error: BaseException) -> str:
    """The message of an error with its kind, and where in a user's own file it arose."""
    if isinstance(error, UserError):
        return str(error)
    message = str(error).strip().split("\n\n")[0]
    line = users_line(error)
    return f"{type(error).__name__}: {message}" + (f"\n  {line}" if line else "")


def is_users(error: BaseException) -> bool:
    """Whether a user can mend an error: a mistake in the input, or a fault in their own code."""
    return isinstance(error, UserError) or users_line(error) is not None


def users_line(error: BaseException) -> str | None:
    """The last line of a traceback that lies in a user's own file, if there is one.

    As text: `my_filter.py:12, in step: x = 1 / 0`.
    """
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if _is_users(frame.filename)]
    if isinstance(error, SyntaxError) and error.filename and _is_users(error.filename):
        return f"{_short(error.filename)}:{error.lineno}: {(error.text or '').strip()}"
    if not users:
        return None
    last = users[-1]
    return f"{_short(last.filename)}:{last.lineno}, in {last.name}: {last.line}"


def _is_users(file: str) -> bool:
    libraries = [str(Path(__file__).parents[1]), *sysconfig.get_paths().values()]
    return Path(file).is_file() and not any(file.startswith(f"{place}/") for place in libraries)


def _short(file: str) -> str:
    """A path as short as it can be from here."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


class Caution(UserWarning):
    """A warning about results, written for users."""


def show_in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line, in place of `warnings.showwarning`.

    A warning of a library loses the line of code that it points at, which no user wrote, and tells
    the library instead.
    """
    text = str(message).strip().split("\n")[0]
    source = "" if issubclass(category, Caution) else f" ({_library(filename)})"
    print(f"dabench: warning: {text}{source}", file=file or sys.stderr)


def _library(filename: str) -> str:
    """The package that a file belongs to."""
    parts = Path(filename).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    return Path(filename).stem


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Within the block, warnings are printed as `show_in_one_line` does."""
    with warnings.catch_warnings():
        warnings.showwarning = show_in_one_line
        yield
