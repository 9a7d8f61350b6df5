"""What buckets over HTTP have in common, whoever's protocol they speak: a listing by pages, ranges, refusals."""

from __future__ import annotations

import hashlib
import sys
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = 3
KEY = "hunter1"


class FakeBucket:
    """One bucket named `company`, to which KEY opens.

    Set `forbidden` (paths), `broken`, or how many `failures` come before the next answer. Read how many `requests`
    came, how many of them for a page of the listing, and which objects were `asked` for.
    """

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.forbidden: set[str] = set()
        self.broken = False
        self.failures = 0
        self.requests = 0
        self.list_requests = 0
        self.asked: list[str] = []

    def list_page(self, prefix: str, token: str, *, delimiter: str = "/") -> tuple[dict[str, bytes | None], str]:
        """PAGE entries after the token, None as a folder's content, and the token of the next page or nothing.

        A folder is what ends in the delimiter; one that no name has lists everything beneath the prefix.
        """
        self.list_requests += 1
        entries: dict[str, bytes | None] = {}
        for key in sorted(self.objects):
            if key.startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition(delimiter)
                entries[prefix + name + slash] = None if slash else self.objects[key]
        names = [name for name in sorted(entries) if name > token]
        return {name: entries[name] for name in names[:PAGE]}, names[PAGE - 1] if names[PAGE:] else ""

    def ask(self, key: str) -> bytes | None:
        """An object's content."""
        self.asked.append(key)
        return self.objects.get(key)


def hash_content(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bucket: FakeBucket

    def handle_error(self, request: object, client_address: object) -> None:
        # gcsfs asks two things at once, and hangs up on the second when the first is told.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class ObjectHandler(BaseHTTPRequestHandler):
    """Answers one request; a protocol says in `answer` what it means."""

    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def bucket(self) -> FakeBucket:
        return self.server.bucket

    @abstractmethod
    def answer(self, path: str, fields: Mapping[str, str]) -> None:
        """Answer a request for a path, still quoted, with the fields of its query."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        self.bucket.requests += 1
        if self.bucket.failures:
            self.bucket.failures -= 1
            self.send(503)
            return
        fields = parse_qs(asked.query, keep_blank_values=True)
        self.answer(asked.path, {name: values[0] for name, values in fields.items()})

    def send_content(self, content: bytes, **headers: str) -> None:
        """The whole of an object, or the range that was asked for."""
        asked = self.headers.get("Range") or self.headers.get("x-ms-range")
        first, _, last = (asked or "bytes=0-").removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        if asked:
            headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
        self.send(206 if asked else 200, part, **headers)

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serve_bucket(bucket: FakeBucket, handler: type[ObjectHandler]) -> Iterator[str]:
    """The server's URL."""
    server = _Server(("127.0.0.1", 0), handler)
    server.bucket = bucket
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # how soon it notices that it is shut down
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
