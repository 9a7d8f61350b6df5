"""`PassageReader` and `DocumentReader`: the join that makes us show only what is live and readable at this moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from tasks.access_models import ReadableDocument
from tasks.integrations.database.engine import Database
from tasks.integrations.database.rows import chunk_from_row
from tasks.integrations.database.schema import chunks, document_readers, documents, is_storable, versions
from tasks.models import Passage

_DOCUMENT_FIELDS = ("document_id", "uri", "source", "tenant", "path", "state")
_VERSION_FIELDS = ("title", "document_type", "language", "text", "content_hash", "modified")


class DatabasePassages:
    """Reads passages of live versions; what the asker may not read does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_passages(self, tenant: str, chunk_ids: Sequence[str], principals: frozenset[str]) -> dict[str, Passage]:
        """The passages of live versions that one of the principals may read, by chunk_id; all others are left out."""
        query = _visible(tenant, principals).where(chunks.c.chunk_id.in_(chunk_ids))
        return {row["chunk_id"]: _passage(row) for row in self._rows(query)}

    def read_neighbours(
        self, tenant: str, version_id: str, positions: Sequence[int], principals: frozenset[str]
    ) -> dict[int, Passage]:
        """Passages of one live version by position, under the same conditions."""
        query = _visible(tenant, principals).where(chunks.c.version_id == version_id, chunks.c.position.in_(positions))
        return {row["position"]: _passage(row) for row in self._rows(query)}

    def read_text(self, tenant: str, document_id: str, principals: frozenset[str]) -> str | None:
        """The text of the live version, or None where there is none that they may read."""
        query = (
            sa.select(versions.c.text)
            .join(documents, documents.c.live_version_id == versions.c.version_id)
            .where(documents.c.document_id == document_id, *_readable(tenant, principals))
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def read_document(self, tenant: str, document_id: str, principals: frozenset[str]) -> ReadableDocument | None:
        """The live document, or None where there is none that they may read."""
        query = (
            sa.select(
                *(documents.c[name] for name in ("document_id", "uri", "source", "tenant", "path", "state")),
                *(
                    versions.c[name]
                    for name in ("title", "document_type", "language", "text", "content_hash", "modified")
                ),
            )
            .join(versions, versions.c.version_id == documents.c.live_version_id)
            .where(documents.c.document_id == document_id, *_readable(tenant, principals))
        )
        for row in self._rows(query):
            fields = dict(row)
            return ReadableDocument(outdated=fields.pop("state") == "outdated", **fields)
        return None

    def find_page(self, tenant: str, document_id: str, principals: frozenset[str], offset: int) -> int | None:
        """The page of the live text's character, counted from 1, where its format has pages and they may read it."""
        query = (
            sa.select(chunks.c.page)
            .join(documents, documents.c.live_version_id == chunks.c.version_id)
            .where(documents.c.document_id == document_id, chunks.c.start <= offset, *_readable(tenant, principals))
            .order_by(chunks.c.start.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def _rows(self, query: sa.Select[Any]) -> Iterable[Any]:
        with self._database.read() as connection:
            return connection.execute(query).mappings().all()


def _visible(tenant: str, principals: frozenset[str]) -> sa.Select[Any]:
    return (
        sa.select(
            chunks,
            versions.c.document_id,
            versions.c.content_hash,
            versions.c.title,
            versions.c.document_type,
            versions.c.modified,
            documents.c.uri,
            documents.c.source,
            documents.c.state,
        )
        .join(versions, versions.c.version_id == chunks.c.version_id)
        .join(documents, documents.c.live_version_id == versions.c.version_id)
        .where(*_readable(tenant, principals))
    )


def _readable(tenant: str, principals: frozenset[str]) -> tuple[sa.ColumnElement[bool], ...]:
    # Stored text has a replacement character for what no database keeps: two names must not become one by it.
    names = sorted(name for name in principals if is_storable(name))
    readable = sa.exists().where(
        document_readers.c.document_id == documents.c.document_id, document_readers.c.principal.in_(names)
    )
    return documents.c.tenant == tenant, readable


def _passage(row: Any) -> Passage:
    return Passage(
        chunk_id=row["chunk_id"],
        document_id=row["document_id"],
        version_id=row["version_id"],
        content_hash=row["content_hash"],
        uri=row["uri"],
        title=row["title"],
        source=row["source"],
        document_type=row["document_type"],
        modified=row["modified"],
        outdated=row["state"] == "outdated",
        chunk=chunk_from_row(dict(row)),
    )
