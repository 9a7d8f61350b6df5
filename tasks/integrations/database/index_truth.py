"""The `IndexTruth` port: what the vector store must hold, for rebuilding and checking it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tasks.integrations.database.engine import Database, list_batches
from tasks.integrations.database.schema import chunks, documents, versions
from tasks.integrations.database.versions import waits_for_flip

ROWS_AT_ONCE = 1000
VERSIONS_AT_ONCE = 100


class DatabaseIndexTruth:
    """Versions that searches see, or will see when a collection is flipped.

    Args:
        database: Holds them.
        rows: The ids of what the collection holds: chunks, or summaries.
    """

    def __init__(self, database: Database, rows: sa.Column[str] = chunks.c.chunk_id) -> None:
        self._database = database
        self._rows = rows
        self._version_id: sa.ColumnElement[str] = rows.table.c.version_id

    def list_sources(self, fingerprint: str) -> list[tuple[str, str]]:
        """(tenant, source) of everything that a pipeline has read, ordered."""
        query = _expected(fingerprint, versions.c.tenant, versions.c.source).distinct()
        with self._database.read() as connection:
            return sorted((row.tenant, row.source) for row in connection.execute(query))

    def count_chunks(self, fingerprint: str, tenant: str) -> int:
        """How many chunks the tenant's part of the collection must hold."""
        query = self._expect_rows(fingerprint, sa.func.count())
        with self._database.read() as connection:
            return int(connection.execute(query.where(versions.c.tenant == tenant)).scalar_one())

    def list_versions(self, fingerprint: str, tenant: str) -> Iterator[list[str]]:
        """Pages of version_ids, ordered; each page is a query of its own: no transaction stays open for hours."""
        holds_rows = sa.exists().where(self._version_id == versions.c.version_id)
        query = _expected(fingerprint, versions.c.version_id).where(versions.c.tenant == tenant, holds_rows)
        query = query.order_by(versions.c.version_id).limit(VERSIONS_AT_ONCE)
        last = ""
        while True:
            with self._database.read() as connection:
                page = list(connection.execute(query.where(versions.c.version_id > last)).scalars())
            if not page:
                return
            last = page[-1]
            yield page

    def list_chunk_ids(self, fingerprint: str, tenant: str) -> Iterator[str]:
        """Each of those chunks."""
        query = self._expect_rows(fingerprint, self._rows)
        with self._database.read() as connection:
            streamed = connection.execution_options(yield_per=ROWS_AT_ONCE)
            yield from streamed.execute(query.where(versions.c.tenant == tenant)).scalars()

    def find_versions(self, chunk_ids: Sequence[str]) -> list[str]:
        """The version_ids that chunks belong to."""
        query = sa.select(self._version_id).distinct()
        with self._database.read() as connection:
            return [
                version_id
                for some in list_batches(chunk_ids)
                for version_id in connection.execute(query.where(self._rows.in_(some))).scalars()
            ]

    def _expect_rows(self, fingerprint: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        return _expected(fingerprint, *columns).join(self._rows.table, self._version_id == versions.c.version_id)


def _expected(fingerprint: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Of versions of one pipeline that are live, or are ready for the flip to it."""
    return (
        sa.select(*columns)
        .select_from(versions)
        .join(documents, documents.c.document_id == versions.c.document_id)
        .where(
            versions.c.fingerprint == fingerprint,
            sa.or_(documents.c.live_version_id == versions.c.version_id, waits_for_flip()),
        )
    )
