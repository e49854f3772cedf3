"""One file from a URL or a folder: resumed where it broke off, verified, put in place whole.

    .part.<name>        what has arrived; the next attempt asks for the rest
    .part.<name>.json   size and version (ETag) of what it is part of

A part is only ever continued with the same version of the file (If-Range). The checksum is the
MD5 that Google's buckets send along; a server that sends none leaves size and structure to check.
"""

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path

from dabench.core.errors import UserError
from dabench.systems.gencast.fetch.progress import Advance

CHUNK = 2**20  # bytes read at once
ATTEMPTS = 5  # in a row without a byte
TIMEOUT = 30.0  # seconds without a byte until a connection counts as stalled
PAUSE = 1.0  # seconds before the second attempt; doubled for each further one
PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP statuses that may be gone the next time


@dataclass(frozen=True)
class Facts:
    """What a source says of a file: size in bytes, MD5 as hexadecimal digits, version."""

    size: int | None = None
    md5: str | None = None
    version: str | None = None


class Stalled(Exception):
    """An attempt that ended early; another may go on."""


class Changed(Stalled):
    """What has arrived is no part of the file that is there now."""


def join(base: str, *names: str) -> str:
    """A place below a URL or a folder; names in URLs are quoted (spaces, "<")."""
    if is_url(base):
        return "/".join([base.rstrip("/"), *(urllib.parse.quote(name) for name in names)])
    return str(Path(base.removeprefix("file://")).expanduser().joinpath(*names))


def is_url(place: str) -> bool:
    return place.startswith(("http://", "https://", "gs://"))


def https(place: str) -> str:
    """The same place, gs:// being the address under which Google serves public buckets."""
    if place.startswith("gs://"):
        return "https://storage.googleapis.com/" + urllib.parse.quote(place[5:], safe="/%")
    return place


def facts(place: str) -> Facts:
    """Size, checksum and version of a file; UserError where it cannot be reached."""
    if not is_url(place):
        if not Path(place).is_file():
            raise UserError(f"{place}: there is no such file")
        return Facts(Path(place).stat().st_size)
    return _persist(place, lambda: _head(place), lambda: 0)


def _head(place: str) -> Facts:
    """The facts that a server tells without sending the file."""
    with _open(urllib.request.Request(https(place), method="HEAD")) as response:
        return _facts(response.headers, response.status)


def download(
    place: str,
    target: Path,
    check: Callable[[Path], None] = lambda _: None,
    advance: Advance = lambda *_: None,
) -> Facts:
    """Make `target` the file at `place`, going on after what an earlier attempt left.

    UserError: unreachable, not there, stalled or truncated (what has arrived stays for the next
    time); a checksum that does not fit or content that `check` refuses (the part is dropped).

    Arguments:
        check: Raises UserError unless the file has the right content.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".part.{target.name}")
    source = _receive(place, part, advance) if is_url(place) else _copy(place, part, advance)
    try:
        _verify(part, source)
        check(part)
    except UserError as e:
        part.unlink()
        _note(part).unlink(missing_ok=True)
        raise UserError(f"{place}: {e}. Nothing was kept; try again, or use --from") from None
    with open(part, "rb") as f:
        os.fsync(f.fileno())
    os.replace(part, target)
    _note(part).unlink(missing_ok=True)
    return source


def _copy(place: str, part: Path, advance: Advance) -> Facts:
    """A file of this machine as the part."""
    source = facts(place)
    with open(place, "rb") as original, open(part, "wb") as copy:
        shutil.copyfileobj(original, copy, CHUNK)
    advance(source.size or 0, source.size)
    return source


def _receive(place: str, part: Path, advance: Advance) -> Facts:
    """A file of a server as the part, in as many attempts as it takes."""

    def attempt() -> Facts:
        try:
            return _attempt(place, part, advance)
        except Changed:
            part.unlink(missing_ok=True)
            raise

    return _persist(place, attempt, lambda: _length(part))


def _persist(place: str, attempt: Callable[[], Facts], arrived: Callable[[], int]) -> Facts:
    """The first attempt that succeeds; UserError after `ATTEMPTS` without a further byte."""
    idle, before = 0, arrived()
    while True:
        try:
            return attempt()
        except (Stalled, TimeoutError, ConnectionError, http.client.HTTPException) as e:
            idle = 0 if arrived() > before else idle + 1
            before = arrived()
            if idle >= ATTEMPTS:
                rest = f"; {before} bytes are kept, and the same command goes on there"
                raise UserError(
                    f"{place}: {_why(e)}, {ATTEMPTS} times in a row{rest if before else ''}"
                ) from None
            time.sleep(PAUSE * 2 ** (idle - 1) if idle else 0)


def _attempt(place: str, part: Path, advance: Advance) -> Facts:
    """One connection, to the end of the file; Stalled where it ends before."""
    noted, start = _noted(part), _length(part)
    if noted.size is not None and start == noted.size:
        return noted
    headers = {"Accept-Encoding": "identity"}
    if start and noted.version:
        headers |= {"Range": f"bytes={start}-", "If-Range": noted.version}
    with _open(urllib.request.Request(https(place), headers=headers)) as response:
        source = _facts(response.headers, response.status)
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = start if resumed and _begins(response.headers, start) else 0
        _note(part).write_text(json.dumps(asdict(source)))
        with open(part, "r+b" if start else "wb") as f:
            f.seek(start)
            f.truncate()
            while block := response.read1(CHUNK):
                f.write(block)
                advance(f.tell(), source.size)
            end = f.tell()
    if source.size is not None and end < source.size:
        raise Stalled(f"truncated at {end} of {source.size} bytes")
    return source


def _begins(headers: Message, start: int) -> bool:
    """Whether the answer to a range is the range that was asked for."""
    first = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return first is not None and int(first[1]) == start


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    """The answer; UserError if nothing is there or no way leads to it, Stalled if that may pass."""
    url = request.full_url
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as e:
        if e.code in PASSING:
            raise Stalled(f"the server answers {e.code} {e.reason}") from None
        if e.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise Changed("the file has changed on the server") from None
        raise UserError(
            f"{url}: the server answers {e.code} {e.reason}. "
            "Is the address right? --from URL or FOLDER takes files from elsewhere"
        ) from None
    except urllib.error.URLError as e:
        if isinstance(e.reason, TimeoutError):
            raise Stalled("the server does not answer") from None
        raise UserError(
            f"{url}: cannot be reached ({_why(e.reason)}). Without a network, "
            "--from FOLDER takes the files from a local mirror"
        ) from None


def reach(place: str) -> None:
    """UserError unless the server of a URL answers, be it that nothing is there."""
    try:
        urllib.request.urlopen(urllib.request.Request(https(place), method="HEAD"), timeout=TIMEOUT)
    except urllib.error.HTTPError:
        return
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as e:
        raise UserError(
            f"{place}: its server cannot be reached ({_why(getattr(e, 'reason', e))}). Without a "
            "network, --from PATH takes a local copy"
        ) from None


def _why(e: object) -> str:
    return "no byte came for too long" if isinstance(e, TimeoutError) else str(e) or repr(e)


def _facts(headers: Message, status: int) -> Facts:
    """The facts in the headers of an answer; those of a range tell the size of the whole."""
    length = headers.get("Content-Length")
    if status == http.HTTPStatus.PARTIAL_CONTENT:
        length = headers.get("Content-Range", "").rpartition("/")[2]
    md5 = re.search(r"md5=([A-Za-z0-9+/=]+)", ",".join(headers.get_all("x-goog-hash", [])))
    return Facts(
        int(length) if length and length.isdigit() else None,
        base64.b64decode(md5[1]).hex() if md5 else None,
        headers.get("ETag") or headers.get("Last-Modified"),
    )


def _verify(part: Path, source: Facts) -> None:
    """UserError unless size and checksum are what the source says."""
    size = part.stat().st_size
    if source.size is not None and size != source.size:
        raise UserError(f"{size} bytes arrived, but the file has {source.size}")
    if source.md5 is not None and (md5 := digest(part, "md5")) != source.md5:
        raise UserError(f"the checksum is {md5}, but the server gives {source.md5} (MD5)")


def digest(file: Path, kind: str = "sha256") -> str:
    """Digest of a file's bytes, as hexadecimal digits."""
    with open(file, "rb") as f:
        return hashlib.file_digest(f, kind).hexdigest()


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _noted(part: Path) -> Facts:
    """What the source said of the file when the part was begun."""
    try:
        return Facts(**json.loads(_note(part).read_text()))
    except (OSError, ValueError, TypeError):
        return Facts()


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
