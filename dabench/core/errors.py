"""The exception for mistakes that a user can mend, and the warning about results."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake in the input; the message says where it is, what was found and what would work.

    The command line prints the message alone and exits with code 2; every other exception is a bug
    and keeps its traceback.
    """


class Caution(UserWarning):
    """A warning about results, which the command line prints as one line."""


@contextmanager
def cautions_in_one_line() -> Iterator[None]:
    """Within the block, a `Caution` is printed as one line, all other warnings as Python does."""

    def show(message, category, filename, lineno, file=None, line=None):
        if issubclass(category, Caution):
            print(f"dabench: warning: {message}", file=sys.stderr)
        else:
            usual(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        usual = warnings.showwarning
        warnings.showwarning = show
        yield
