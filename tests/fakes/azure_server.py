"""A container over HTTP: enough of Azure's Blob protocol to list by pages, ask and read.

An empty blob is one that Azure's tools made to stand for a folder; with a slash at its end it comes from others, and
nothing but its name tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote
from xml.sax.saxutils import escape

from tests.fakes.object_server import KEY, FakeBucket, ObjectHandler, hash_content, serve_bucket

_MODIFIED = "Mon, 06 May 2024 07:08:09 GMT"


class _Handler(ObjectHandler):
    def answer(self, path: str, fields: Mapping[str, str]) -> None:
        container, _, key = unquote(path).removeprefix("/account/").partition("/")
        if self.bucket.broken:
            self._refuse(400, "InvalidInput")
        elif fields.get("sig") != KEY:
            self._refuse(403, "AuthenticationFailed")
        elif container != "company":
            self._refuse(404, "ContainerNotFound")
        elif fields.get("prefix", key) in self.bucket.forbidden:
            self._refuse(403, "AuthorizationPermissionMismatch")
        elif fields.get("comp") == "list":
            self.send(200, self._list(fields).encode(), Content_Type="application/xml")
        elif key:
            self._send_object(key)
        else:
            self.send(200, ETag='"0x1"', Last_Modified=_MODIFIED)

    def _list(self, fields: Mapping[str, str]) -> str:
        prefix, delimiter = fields.get("prefix", ""), fields.get("delimiter", "")
        entries, more = self.bucket.list_page(prefix, fields.get("marker", ""), delimiter=delimiter or "\0")
        shown = "".join(_show(name, content) for name, content in entries.items())
        # The client asks for the next page with the prefix that this one names.
        return (
            f'<EnumerationResults ContainerName="company"><Prefix>{escape(prefix)}</Prefix>'
            f"<Delimiter>{escape(delimiter)}</Delimiter><Blobs>{shown}</Blobs>"
            f"<NextMarker>{escape(more)}</NextMarker></EnumerationResults>"
        )

    def _send_object(self, key: str) -> None:
        content = self.bucket.ask(key)
        if content is None:
            self._refuse(404, "BlobNotFound")
        else:
            headers = {"ETag": f'"{hash_content(content)}"', "Last_Modified": _MODIFIED, "x_ms_blob_type": "BlockBlob"}
            self.send_content(content, **headers)

    def _refuse(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        self.send(status, body, x_ms_error_code=code, Content_Type="application/xml")


def _show(name: str, content: bytes | None) -> str:
    if content is None:
        return f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
    is_plain = content or name.endswith("/")
    metadata = "" if is_plain else "<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata>"
    return (
        f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{len(content)}</Content-Length>"
        f"<Etag>{hash_content(content)}</Etag><Last-Modified>{_MODIFIED}</Last-Modified>"
        f"<BlobType>BlockBlob</BlobType></Properties>{metadata}</Blob>"
    )


@contextmanager
def serve_azure(bucket: FakeBucket) -> Iterator[str]:
    """The account's URL."""
    with serve_bucket(bucket, _Handler) as url:
        yield f"{url}/account"
