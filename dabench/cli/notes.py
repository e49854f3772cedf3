"""What commands say beside their results: notes, waits and a log; `-q` and `-v` say how much.

Results go to standard output. Waits go to standard error: on a terminal a line that vanishes, else
a line once a wait is long.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dabench.core import waits
from dabench.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

Loudness = Literal["quiet", "usual", "verbose"]
_loudness: ContextVar[Loudness] = ContextVar("loudness", default="usual")

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Results and errors alone.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more: every step and cycle.")]


def with_loudness(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the options `-q` and `-v`, which hold until the next one."""

    @wraps(command)
    def run(*args: Any, quiet: bool, verbose: bool, **options: Any) -> Any:
        if quiet and verbose:
            raise UserError("--quiet and --verbose: give one of the two")
        logging.getLogger("dabench").setLevel(logging.DEBUG if verbose else logging.INFO)
        _loudness.set("quiet" if quiet else "verbose" if verbose else "usual")
        return command(*args, **options)

    flags = {"quiet": Quiet, "verbose": Verbose}
    old = signature(command)
    new = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in flags.items()
    ]
    run.__signature__ = old.replace(parameters=[*old.parameters.values(), *new])  # pyright: ignore[reportAttributeAccessIssue]
    run.__annotations__ = {**command.__annotations__, **flags}
    return run


def is_quiet() -> bool:
    """Whether nothing but results is to be printed."""
    return _loudness.get() == "quiet"


def is_verbose() -> bool:
    """Whether every step is to be told."""
    return _loudness.get() == "verbose"


def note(text: str) -> None:
    """Print a line beside the results, unless the command is to be quiet."""
    if not is_quiet():
        typer.echo(text)


def error_console() -> "Console":
    """A console on standard error for progress and waits."""
    from rich.console import Console

    return Console(stderr=True, quiet=is_quiet())


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is done while it lasts.

    Arguments:
        what: Words that begin with a verb, such as `scoring runs/..`.
    """
    console = error_console()
    if is_quiet():
        yield
    elif console.is_terminal:
        with console.status(what):
            yield
    elif is_verbose():
        console.print(what, markup=False, soft_wrap=True)
        yield
    else:
        with waits.announced(lambda text: typer.echo(text, err=True), f"{what} ..."):
            yield


class _Said(logging.Handler):
    """Prints what is logged, each line with its time."""

    def __init__(self, console: "Console"):
        super().__init__()
        self.console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        self.console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def narrated(what: str) -> Iterator[None]:
    """Print what the steps of long work log of themselves, unless the command is to be quiet.

    Arguments:
        what: Words for the whole, which a terminal shows below the lines.
    """
    console, log = error_console(), logging.getLogger("dabench")
    handler = _Said(console)
    log.addHandler(handler)
    try:
        with console.status(what) if console.is_terminal else nullcontext():
            yield
    finally:
        log.removeHandler(handler)


@contextmanager
def logged(file: Path | None) -> Iterator[None]:
    """Within the block, what runs report goes to a file, too, each line with its time.

    Arguments:
        file: File to append to; None writes none.
    Raises: UserError where it cannot be written.
    """
    if file is None:
        yield
        return
    try:
        handler = logging.FileHandler(file, encoding="utf-8")
    except OSError as e:
        raise UserError(f"--log {file}: cannot be written ({e.strerror})") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("dabench")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
