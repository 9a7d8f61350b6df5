"""Pairs and documents for curation's tests: a real database on disk, filled without an ingest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from tasks.curation.texts import cut_letters, sign_bands
from tasks.curation_models import Evidence, HistoryEntry, Origin, Pair, PairState, derive_pair_id
from tasks.curation_ports import IndexedPair
from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.manifest import write_readers
from tasks.integrations.database.schema import chunks, documents, versions
from tasks.models import EVERYONE, derive_document_id, derive_version_id, hash_text

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def add_document(
    database: Database, path: str, text: str, *, readers: Sequence[str] = (EVERYONE,), language: str = "en"
) -> str:
    """A live document with one chunk; the same path again is its next version."""
    document_id = derive_document_id("default", "test", path)
    content_hash = hash_text(text)
    version_id = derive_version_id(document_id, content_hash, "f")
    version = {
        "version_id": version_id,
        "document_id": document_id,
        "tenant": "default",
        "source": "test",
        "content_hash": content_hash,
        "fingerprint": "f",
        "state": "ready",
        "title": path.rpartition("/")[2],
        "language": language,
        "text": text,
        "modified": None,
        "groups": list(readers),
        "document_type": "md",
        "chunk_count": 1,
        "copied_from": None,
        "created_at": NOW,
    }
    chunk = {
        "chunk_id": f"c {version_id}"[:36],
        "version_id": version_id,
        "position": 0,
        "start": 0,
        "end": len(text),
        "text": text,
        "repeated_header": "",
        "heading_path": [],
        "part": None,
        "page": None,
        "language": language,
        "kind": "text",
        "element_ids": [],
        "embedding_key": content_hash,
    }
    document = {
        "document_id": document_id,
        "tenant": "default",
        "source": "test",
        "path": path,
        "uri": f"file:///test/{path}",
        "file_name": path.rpartition("/")[2],
        "state": "live",
        "live_version_id": version_id,
        "content_hash": content_hash,
        "groups": sorted(readers),
        "readers_stale": False,
        "updated_at": NOW,
    }
    with database.write() as connection:
        upsert(connection, versions, [version])
        upsert(connection, chunks, [chunk])
        upsert(connection, documents, [document])
        write_readers(connection, {document_id: readers})
    return document_id


def remove_document(database: Database, document_id: str) -> None:
    """As a prune does."""
    gone = sa.update(documents).where(documents.c.document_id == document_id)
    with database.write() as connection:
        connection.execute(gone.values(state="removed", live_version_id=None, content_hash=None))


def make_pair(
    question: str = "How much oil does the pump need?",
    answer: str = "2 litres",
    *,
    evidence: Sequence[Evidence] = (),
    state: PairState = PairState.CANDIDATE,
    language: str = "en",
    groups: tuple[str, ...] | None = None,
) -> Pair:
    """A pair as an import makes one."""
    return Pair(
        pair_id=derive_pair_id("default", question, answer),
        tenant="default",
        question=question,
        answer=answer,
        language=language,
        origin=Origin.IMPORT,
        author="anna",
        state=state,
        groups=groups,
        evidence=tuple(evidence),
        history=(HistoryEntry(at=NOW, author="anna", action="import"),),
    )


def indexed(pair: Pair) -> IndexedPair:
    """The pair with its bands, without a vector."""
    return IndexedPair(pair, sign_bands(cut_letters(pair.question)))
