"""A source in memory whose content a test changes between runs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from tasks.errors import DocumentRejected, TransientError
from tasks.models import EVERYONE, ListedDocument, Problem, Trust


class FakeSource:
    """Lists and opens the entries of `files`."""

    def __init__(self, name: str = "handbooks") -> None:
        self.name = name
        self.trust: Trust = "normal"
        self.files: dict[str, bytes] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.problems: dict[str, Problem] = {}
        self.listing_fails_after: int | None = None
        self.opened: list[str] = []

    def list_documents(self) -> Iterator[ListedDocument]:
        """One entry a file; the content's hash is the etag."""
        for number, (path, content) in enumerate(self.files.items()):
            if number == self.listing_fails_after:
                raise TransientError("the connection was cut", advice="try again")
            yield ListedDocument(
                path=path,
                uri=f"memory://{path}",
                file_name=path.rsplit("/", 1)[-1],
                size_bytes=len(content),
                etag=str(hash(content)),
                groups=self.groups.get(path, (EVERYONE,)),
                problem=self.problems.get(path),
            )

    @contextmanager
    def open_document(self, path: str) -> Iterator[BinaryIO]:
        """The content; a file that vanished is rejected."""
        if path not in self.files:
            raise DocumentRejected(f"{path} vanished", reason="vanished", advice="nothing: the next run sees it")
        self.opened.append(path)
        yield io.BytesIO(self.files[path])
