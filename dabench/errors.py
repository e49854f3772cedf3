"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A mistake in the input: where it is, what was found, what would work.

    The command line prints the message alone and exits with code 2; every other exception is a bug
    and keeps its traceback.
    """
