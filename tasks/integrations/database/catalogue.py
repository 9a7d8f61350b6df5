"""What the doors show: documents, quarantine, counts. Streams; nothing is held."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from tasks.file_names import name_part
from tasks.integrations.database.engine import Database
from tasks.integrations.database.schema import chunks, documents, versions
from tasks.models import DocumentSummary, Problem, QuarantineEntry

VISIBLE = ("live", "empty", "outdated")
PAGE = 1000


class Catalogue:
    """Read-only listings for people who run the product: they see every document of the tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_documents(self, tenant: str) -> Iterator[DocumentSummary]:
        """Every live, empty or outdated document, by source and path."""
        query = (
            sa.select(documents, versions.c.title, versions.c.chunk_count, versions.c.language)
            .join(versions, versions.c.version_id == documents.c.live_version_id)
            .where(documents.c.tenant == tenant, documents.c.state.in_(VISIBLE))
            .order_by(documents.c.source, documents.c.path)
        )
        for row in self._stream(query):
            yield DocumentSummary(
                document_id=row["document_id"],
                uri=row["uri"],
                title=row["title"],
                source=row["source"],
                language=row["language"],
                state=row["state"],
                groups=tuple(row["groups"]),
                chunks=row["chunk_count"],
                problem=Problem(**row["problem"]) if row["problem"] else None,
            )

    def list_quarantine(self, tenant: str) -> Iterator[QuarantineEntry]:
        """Everything that cannot be read, and why: parts of documents, and newer versions of outdated ones, too."""
        query = (
            sa.select(documents)
            .where(
                documents.c.tenant == tenant,
                documents.c.state != "removed",
                sa.or_(documents.c.problem.is_not(None), documents.c.part_problems.is_not(None)),
            )
            .order_by(documents.c.source, documents.c.path)
        )
        for row in self._stream(query):
            if row["problem"]:
                yield QuarantineEntry(uri=row["uri"], state=row["state"], **row["problem"])
            for part in row["part_problems"] or ():
                yield QuarantineEntry(uri=name_part(row["uri"], part["part"]), state="part", **part["problem"])

    def count_states(self, tenant: str) -> dict[str, dict[str, int]]:
        """By source: how many documents are in which state."""
        query = (
            sa.select(documents.c.source, documents.c.state, sa.func.count())
            .where(documents.c.tenant == tenant, documents.c.state != "removed")
            .group_by(documents.c.source, documents.c.state)
            .order_by(documents.c.source)
        )
        counts: dict[str, dict[str, int]] = {}
        with self._database.read() as connection:
            for source, state, count in connection.execute(query):
                counts.setdefault(source, {})[state] = int(count)
        return counts

    def hash_contents(self, tenant: str) -> str:
        """Changes whenever a search could find something else: other documents, other versions, other readers."""
        query = (
            sa.select(documents.c.document_id, documents.c.live_version_id, documents.c.groups)
            .where(documents.c.tenant == tenant, documents.c.state.in_(VISIBLE))
            .order_by(documents.c.document_id)
        )
        digest = hashlib.sha256()
        for row in self._stream(query):
            digest.update(json.dumps([row["document_id"], row["live_version_id"], sorted(row["groups"])]).encode())
        return digest.hexdigest()

    def list_live_chunk_ids(self, tenant: str) -> Iterator[str]:
        """Every chunk that searches may show: what the vector store must hold for the serving collection."""
        query = (
            sa.select(chunks.c.chunk_id)
            .join(documents, documents.c.live_version_id == chunks.c.version_id)
            .where(documents.c.tenant == tenant)
        )
        for row in self._stream(query):
            yield row["chunk_id"]

    def _stream(self, query: sa.Select[Any]) -> Iterator[Any]:
        with self._database.read() as connection:
            yield from connection.execution_options(yield_per=PAGE).execute(query).mappings()
