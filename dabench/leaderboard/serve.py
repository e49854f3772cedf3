"""A web server for a finished site on this machine."""

from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dabench.core.errors import UserError


class _Quiet(SimpleHTTPRequestHandler):
    """Serves the files of the site alone: no listing of folders, no log."""

    def list_directory(self, path: object) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a site on this machine's loopback address.

    Raises: UserError if there is no site in the folder, or the port is taken.
    """
    if not (folder / "index.html").exists():
        raise UserError(f"{folder}: no site here; `dabench leaderboard build` makes it.")
    handler: Callable[..., _Quiet] = partial(_Quiet, directory=str(folder))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as e:
        raise UserError(f"port {port}: {e.strerror}; choose another with --port.") from None
