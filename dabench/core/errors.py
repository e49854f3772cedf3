"""The exception for mistakes that a user can mend, and the warning about results."""

import sys
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
