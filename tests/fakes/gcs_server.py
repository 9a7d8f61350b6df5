"""A bucket over HTTP: enough of Google's JSON API to list by pages, ask and read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from tests.fakes.object_server import KEY, FakeBucket, ObjectHandler, hash_content, serve_bucket

_MESSAGES = {400: "Internal Trouble", 401: "Invalid Credentials", 403: "Access denied.", 404: "Not Found"}


class _Handler(ObjectHandler):
    def answer(self, path: str, fields: Mapping[str, str]) -> None:
        # /storage/v1/b/BUCKET/o/OBJECT, and the same below /download for the content; `o` alone is the listing.
        rest = path.removeprefix("/download").removeprefix("/storage/v1/b/")
        bucket, listing, key = (*rest.split("/", 2), "", "")[:3]
        if self.bucket.broken:
            self._refuse(400)
        elif self.headers.get("Authorization") != f"Bearer {KEY}":
            self._refuse(401)
        elif bucket != "company":
            self._refuse(404)
        elif fields.get("prefix", unquote(key)) in self.bucket.forbidden:
            self._refuse(403)
        elif key:
            self._send_object(unquote(key), as_content="alt" in fields)
        elif listing:
            self._send_json(self._list(fields.get("prefix", ""), fields.get("pageToken", "")))
        else:
            self._send_json({"kind": "storage#bucket", "name": bucket})

    def _list(self, prefix: str, token: str) -> Mapping[str, Any]:
        entries, more = self.bucket.list_page(prefix, token)
        return {
            "kind": "storage#objects",
            "prefixes": [name for name, content in entries.items() if content is None],
            "items": [_describe(name, content) for name, content in entries.items() if content is not None],
            **({"nextPageToken": more} if more else {}),
        }

    def _send_object(self, key: str, *, as_content: bool) -> None:
        content = self.bucket.ask(key)
        if content is None:
            self._refuse(404)
        elif as_content:
            self.send_content(content)
        else:
            self._send_json(_describe(key, content))

    def _send_json(self, value: object, status: int = 200) -> None:
        self.send(status, json.dumps(value).encode(), Content_Type="application/json")

    def _refuse(self, status: int) -> None:
        self._send_json({"error": {"code": status, "message": _MESSAGES[status]}}, status)


def _describe(name: str, content: bytes) -> Mapping[str, Any]:
    return {
        "kind": "storage#object",
        "name": name,
        "bucket": "company",
        "size": str(len(content)),
        "etag": hash_content(content),
        "updated": "2024-05-06T07:08:09.000Z",
    }


@contextmanager
def serve_gcs(bucket: FakeBucket) -> Iterator[str]:
    """The endpoint's URL."""
    with serve_bucket(bucket, _Handler) as url:
        yield url
