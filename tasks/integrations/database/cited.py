"""The `CitedDocuments` port: the live documents that pairs quote, whoever may read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tasks.curation_models import CitedDocument
from tasks.integrations.database.engine import Database, list_batches
from tasks.integrations.database.rows import chunk_from_row
from tasks.integrations.database.schema import chunks, document_readers, documents, versions
from tasks.models import Chunk

PAGE = 1000
_FEW = 5


class DatabaseCited:
    """For people who curate: they see every document of the tenant; readers are told with each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_documents(self, tenant: str, name: str) -> list[str]:
        """document_ids of the live documents with this id, uri, path, file name or title, best kind of match only."""
        kinds = (
            documents.c.document_id == name,
            documents.c.uri == name,
            documents.c.path == name,
            documents.c.file_name == name,
            versions.c.title == name,
            documents.c.path.endswith(f"/{name}", autoescape=True),
            sa.func.lower(documents.c.file_name) == name.lower(),
            sa.func.lower(versions.c.title) == name.lower(),
        )
        with self._database.read() as connection:
            for kind in kinds:
                query = _live(tenant, documents.c.document_id).where(kind).order_by(documents.c.document_id)
                if found := list(connection.execute(query.limit(_FEW)).scalars()):
                    return found
        return []

    def read_documents(self, tenant: str, document_ids: Sequence[str]) -> dict[str, CitedDocument]:
        """The live ones with their texts, by id."""
        columns = (
            documents.c.document_id,
            documents.c.uri,
            documents.c.file_name,
            documents.c.groups,
            *(versions.c[name] for name in ("version_id", "title", "language", "text")),
        )
        found: dict[str, CitedDocument] = {}
        with self._database.read() as connection:
            for batch in list_batches(list(document_ids)):
                query = _live(tenant, *columns).where(documents.c.document_id.in_(batch))
                for row in connection.execute(query).mappings():
                    found[row["document_id"]] = CitedDocument(**{**row, "groups": tuple(row["groups"])})
        return found

    def find_place(self, version_id: str, start: int) -> Chunk | None:
        """The chunk of a version that holds a character."""
        query = (
            sa.select(chunks)
            .where(chunks.c.version_id == version_id, chunks.c.start <= start)
            .order_by(chunks.c.start.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return chunk_from_row(dict(row)) if row else None

    def list_chunks(self, tenant: str) -> Iterator[tuple[str, Chunk]]:
        """Every live chunk with its document_id, by document and position, streamed."""
        for document_id in self.list_live(tenant):
            query = (
                _live(tenant, chunks)
                .join(chunks, chunks.c.version_id == versions.c.version_id)
                .where(documents.c.document_id == document_id)
                .order_by(chunks.c.position)
            )
            with self._database.read() as connection:
                rows = connection.execute(query).mappings().all()
            yield from ((document_id, chunk_from_row(dict(row))) for row in rows)

    def list_live(self, tenant: str) -> list[str]:
        """Every live document_id, in order."""
        query = _live(tenant, documents.c.document_id).order_by(documents.c.document_id)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def list_principals(self, tenant: str) -> frozenset[str]:
        """Everyone who may read anything: what a curator reads as."""
        query = (
            sa.select(document_readers.c.principal)
            .join(documents, documents.c.document_id == document_readers.c.document_id)
            .where(documents.c.tenant == tenant)
            .distinct()
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())


def _live(tenant: str, *columns: Any) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .select_from(documents)
        .join(versions, versions.c.version_id == documents.c.live_version_id)
        .where(documents.c.tenant == tenant)
    )
