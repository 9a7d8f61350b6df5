"""A live document's source file, fetched again, when it still is the file that the text was read from."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.access_models import ReadableDocument
from tasks.document_ports import Source
from tasks.errors import DocumentRejected

_BLOCK_BYTES = 1 << 20


@contextmanager
def open_original(document: ReadableDocument, source: Source | None, folder: Path, *, max_bytes: int) -> Iterator[Path]:
    """A copy of the file in the folder, removed afterwards.

    The bytes are compared with those that were read: permission was given for them, and whatever else lies at the
    document's place now is none of its readers' business until it is ingested.

    Args:
        document: What was read.
        source: Where it came from; None: that is not known any more.
        folder: For the copy.
        max_bytes: Larger files are refused.

    Raises:
        DocumentRejected: It is gone, changed, or too large.
        BackendUnavailable: Its source does not answer.
    """
    if source is None:
        raise _reject("its source is not configured any more", "no-source")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=f".{document.document_type}") as copy:
        digest, size = hashlib.sha256(), 0
        with source.open_document(document.path) as stream:
            while block := stream.read(_BLOCK_BYTES):
                size += len(block)
                if size > max_bytes:
                    raise _reject("it is too large", "too-large")
                digest.update(block)
                copy.write(block)
        if digest.hexdigest() != document.content_hash:
            raise _reject("it has changed since it was read", "changed")
        copy.flush()
        yield Path(copy.name)


def _reject(why: str, reason: str) -> DocumentRejected:
    return DocumentRejected(f"the file cannot be shown: {why}", reason=reason, advice="run: expertloop ingest")
