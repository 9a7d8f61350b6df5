"""A bucket over HTTP: enough of the S3 protocol to list by pages, ask and read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 3


class FakeS3:
    """Answers for one bucket named `company`; `list_requests` counts the pages, `asked` names the objects."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)
        self.forbidden: set[str] = set()
        self.broken = False
        self.list_requests = 0
        self.asked: list[str] = []

    def list_page(self, prefix: str, token: str) -> str:
        """ListObjectsV2 with the delimiter `/`, PAGE entries a page."""
        self.list_requests += 1
        entries: dict[str, bytes | None] = {}
        for key in sorted(self.objects):
            if key.startswith(prefix):
                name, slash, _ = key[len(prefix) :].partition("/")
                entries[prefix + name + slash] = None if slash else self.objects[key]
        names = [name for name in sorted(entries) if name > token]
        shown = "".join(_show(name, entries[name]) for name in names[:PAGE])
        more = f"<NextContinuationToken>{escape(names[PAGE - 1])}</NextContinuationToken>" if names[PAGE:] else ""
        truncated = "true" if more else "false"
        return f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{more}{shown}</ListBucketResult>"


def _show(name: str, content: bytes | None) -> str:
    if content is None:
        return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
    return (
        f"<Contents><Key>{escape(name)}</Key><Size>{len(content)}</Size><ETag>&quot;{_etag(content)}&quot;</ETag>"
        "<LastModified>2024-05-06T07:08:09.000Z</LastModified></Contents>"
    )


def _etag(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    bucket: FakeS3


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        asked, bucket = urlsplit(self.path), self.server.bucket
        fields = {name: values[0] for name, values in parse_qs(asked.query, keep_blank_values=True).items()}
        key = unquote(asked.path).removeprefix("/company").removeprefix("/")
        if bucket.broken:
            self._answer(400, b"<Error><Code>InternalTrouble</Code></Error>")
        elif fields.get("prefix", key) in bucket.forbidden:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif "list-type" in fields:
            page = bucket.list_page(fields.get("prefix", ""), fields.get("continuation-token", ""))
            self._answer(200, page.encode())
        else:
            self._send_object(key)

    def _send_object(self, key: str) -> None:
        self.server.bucket.asked.append(key)
        content = self.server.bucket.objects.get(key)
        if content is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        self._answer(206 if "Range" in self.headers else 200, part, ETag=f'"{_etag(content)}"')

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serve_s3(bucket: FakeS3) -> Iterator[str]:
    """The endpoint's URL."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.bucket = bucket
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
