"""A bucket over HTTP: enough of the S3 protocol to list by pages, ask and read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote
from xml.sax.saxutils import escape

from tests.fakes.object_server import FakeBucket, ObjectHandler, hash_content, serve_bucket


class _Handler(ObjectHandler):
    def answer(self, path: str, fields: Mapping[str, str]) -> None:
        key = unquote(path).removeprefix("/company").removeprefix("/")
        if self.bucket.broken:
            self.send(400, b"<Error><Code>InternalTrouble</Code></Error>")
        elif fields.get("prefix", key) in self.bucket.forbidden:
            self.send(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif "list-type" in fields:
            self.send(200, self._list(fields.get("prefix", ""), fields.get("continuation-token", "")).encode())
        else:
            self._send_object(key)

    def _list(self, prefix: str, token: str) -> str:
        entries, more = self.bucket.list_page(prefix, token)
        shown = "".join(_show(name, content) for name, content in entries.items())
        token = f"<NextContinuationToken>{escape(more)}</NextContinuationToken>" if more else ""
        truncated = "true" if more else "false"
        return f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{token}{shown}</ListBucketResult>"

    def _send_object(self, key: str) -> None:
        content = self.bucket.ask(key)
        if content is None:
            self.send(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self.send_content(content, ETag=f'"{hash_content(content)}"')


def _show(name: str, content: bytes | None) -> str:
    if content is None:
        return f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
    return (
        f"<Contents><Key>{escape(name)}</Key><Size>{len(content)}</Size><ETag>&quot;{hash_content(content)}&quot;</ETag>"
        "<LastModified>2024-05-06T07:08:09.000Z</LastModified></Contents>"
    )


@contextmanager
def serve_s3(bucket: FakeBucket) -> Iterator[str]:
    """The endpoint's URL."""
    with serve_bucket(bucket, _Handler) as url:
        yield url
