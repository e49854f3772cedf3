"""A server on the loopback that behaves like a public bucket, and misbehaves on demand."""

import base64
import hashlib
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from patience import PATIENCE


class Bucket:
    """Files below a folder, by their names; what was asked for is kept.

    Faults are taken one a request, from the front: ("cut", n) ends the answer after n bytes,
    ("stall", n) sends nothing more after n bytes, ("status", code) answers with a code,
    ("md5",) tells a wrong checksum, ("plain",) gives neither size, checksum nor version.
    """

    def __init__(self, root: Path):
        self.root = root
        self.faults: list[tuple] = []
        self.asked: list[tuple[str, str, str | None]] = []
        self.stalled = threading.Event()
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator["Bucket"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            self.stalled.set()
            server.shutdown()
            server.server_close()

    def _handler(bucket) -> type:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                self.answer(body=True)

            def answer(self, body: bool):
                path = urllib.parse.unquote(self.path)
                bucket.asked.append((self.command, path, self.headers.get("Range")))
                fault = bucket.faults.pop(0) if bucket.faults and body else ("none",)
                file = bucket.root / path.lstrip("/")
                if fault[0] == "status" or not file.is_file():
                    self.send_response(fault[1] if fault[0] == "status" else 404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send(file.read_bytes(), fault, body)

            def send(self, content: bytes, fault: tuple, body: bool):
                md5 = hashlib.md5(b"other" if fault[0] == "md5" else content).digest()
                etag = f'"{hashlib.md5(content).hexdigest()}"'
                start, asked = 0, re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                if asked and self.headers.get("If-Range", etag) == etag:
                    start = int(asked[1])
                self.send_response(206 if start else 200)
                if start:
                    span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                    self.send_header("Content-Range", span)
                if fault[0] == "plain":
                    self.close_connection = True
                    self.send_header("Connection", "close")
                else:
                    self.send_header("Content-Length", str(len(content) - start))
                    self.send_header("x-goog-hash", "crc32c=AAAAAA==")
                    self.send_header("x-goog-hash", f"md5={base64.b64encode(md5).decode()}")
                    self.send_header("ETag", etag)
                self.end_headers()
                if body:
                    self.part(content[start:], fault)

            def part(self, content: bytes, fault: tuple):
                whole = fault[0] not in ("cut", "stall")
                self.wfile.write(content if whole else content[: fault[1]])
                self.wfile.flush()
                if fault[0] == "stall":
                    bucket.stalled.wait(PATIENCE)
                self.close_connection = self.close_connection or not whole

        return Handler
