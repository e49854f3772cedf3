"""The one exception that means: the user can mend this; and the one warning."""

import sys
import warnings


class UserError(Exception):
    """A mistake in the input: where it is, what was found, what would work.

    The command line prints the message alone and exits with code 2; every other exception is a bug
    and keeps its traceback.
    """


class Caution(UserWarning):
    """Something the user should know of results; the command line prints the message alone."""


def show_cautions() -> None:
    """Print cautions as one line; all other warnings as Python does."""
    usual = warnings.showwarning

    def showing(message, category, filename, lineno, file=None, line=None):
        if issubclass(category, Caution):
            print(f"dabench: warning: {message}", file=sys.stderr)
        else:
            usual(message, category, filename, lineno, file, line)

    warnings.showwarning = showing
