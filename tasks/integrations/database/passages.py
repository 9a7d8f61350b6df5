"""`PassageReader` and `DocumentReader`: the join that makes us show only what is live and readable at this moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

import sqlalchemy as sa
from cachetools import LRUCache
from sqlalchemy.engine import Connection

from tasks.access_models import ReadableDocument
from tasks.integrations.database.engine import Database, list_batches
from tasks.integrations.database.rows import chunk_from_row
from tasks.integrations.database.schema import (
    chunks,
    document_readers,
    documents,
    is_live,
    is_storable,
    sources,
    versions,
)
from tasks.models import Passage, Trust

_VERSION_FIELDS = ("document_id", "content_hash", "title", "document_type", "modified")


class _Seen(NamedTuple):
    """A chunk and everything about its passage that can change; two equal ones are the same passage."""

    chunk_id: str
    uri: str
    source: str
    state: str
    trust: Trust


_MOST_REMEMBERED = 30_000
"""Passages, about 3 kB each: a search looks at hundreds, and the next one at many of them again."""

_MOST_CHARACTERS = 20_000_000
"""Of documents' texts, which passages are compared with: some thousands of usual documents."""


class DatabasePassages:
    """Reads passages of live versions; what the asker may not read does not exist.

    What is live, who may read it and where it lies is asked of the database each time. What a chunk says is not: its id
    is derived from its document's content and the pipeline, so that another text would have another id.
    """

    def __init__(
        self, database: Database, *, most: int = _MOST_REMEMBERED, text_characters: int = _MOST_CHARACTERS
    ) -> None:
        self._database = database
        self._remembered: LRUCache[_Seen, Passage] = LRUCache(most)
        self._texts = _Texts(text_characters)
        self._lock = Lock()

    def read_passages(self, tenant: str, chunk_ids: Sequence[str], principals: frozenset[str]) -> dict[str, Passage]:
        """The passages of live versions that one of the principals may read, by chunk_id; all others are left out."""
        return {
            passage.chunk_id: passage
            for batch in list_batches(chunk_ids)
            for passage in self._read(tenant, principals, chunks.c.chunk_id.in_(batch))
        }

    def read_neighbours(
        self, tenant: str, version_id: str, positions: Sequence[int], principals: frozenset[str]
    ) -> dict[int, Passage]:
        """Passages of one live version by position, under the same conditions."""
        wanted = sa.and_(chunks.c.version_id == version_id, chunks.c.position.in_(positions))
        return {passage.chunk.position: passage for passage in self._read(tenant, principals, wanted)}

    def read_text(self, tenant: str, document_id: str, principals: frozenset[str]) -> str | None:
        """The text of the live version, or None where there is none that they may read."""
        query = sa.select(documents.c.live_version_id).where(
            documents.c.document_id == document_id, *readable(tenant, principals)
        )
        with self._database.read() as connection:
            version_id = connection.execute(query).scalar_one_or_none()
            return self._texts(connection, version_id) if version_id else None

    def list_readable(self, tenant: str, uris: Sequence[str], principals: frozenset[str]) -> frozenset[str]:
        """Those of live documents that one of the principals may read."""
        query = sa.select(documents.c.uri).where(
            documents.c.uri.in_(uris), documents.c.live_version_id.is_not(None), *readable(tenant, principals)
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def list_believed_sources(self, tenant: str) -> tuple[str, ...] | None:
        """The sources that are not little trusted; None where all are believed."""
        query = sa.select(sources.c.source, sources.c.trust).where(sources.c.tenant == tenant)
        with self._database.read() as connection:
            trust = {row.source: row.trust for row in connection.execute(query)}
        return tuple(sorted(source for source in trust if trust[source] != "low")) if "low" in trust.values() else None

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
            .where(documents.c.document_id == document_id, *readable(tenant, principals))
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        fields = dict(row)
        return ReadableDocument(outdated=fields.pop("state") == "outdated", **fields)

    def find_page(self, tenant: str, document_id: str, principals: frozenset[str], offset: int) -> int | None:
        """The page of the live text's character, counted from 1, where its format has pages and they may read it."""
        query = (
            sa.select(chunks.c.page)
            .join(documents, documents.c.live_version_id == chunks.c.version_id)
            .where(documents.c.document_id == document_id, chunks.c.start <= offset, *readable(tenant, principals))
            .order_by(chunks.c.start.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def _read(self, tenant: str, principals: frozenset[str], wanted: sa.ColumnElement[bool]) -> list[Passage]:
        with self._database.read() as connection:
            visible = [_Seen(*row) for row in connection.execute(_visible(tenant, principals).where(wanted))]
            with self._lock:
                known = {seen: self._remembered[seen] for seen in visible if seen in self._remembered}
            missing = {seen.chunk_id: seen for seen in visible if seen not in known}
            rows: Sequence[Any] = connection.execute(_content(missing)).mappings().all() if missing else ()
        made = {(seen := missing[row["chunk_id"]]): _passage(seen, row) for row in rows}
        with self._lock:
            self._remembered.update(made)
        return [known[seen] if seen in known else made[seen] for seen in visible]


class _Texts:
    """Texts by version, which never change; the least used are forgotten."""

    def __init__(self, most_characters: int) -> None:
        self._remembered: LRUCache[str, str] = LRUCache(most_characters, getsizeof=len)
        self._lock = Lock()

    def __call__(self, connection: Connection, version_id: str) -> str | None:
        with self._lock:
            if version_id in self._remembered:
                return self._remembered[version_id]
        query = sa.select(versions.c.text).where(versions.c.version_id == version_id)
        text: str | None = connection.execute(query).scalar_one_or_none()
        if text is not None and len(text) <= self._remembered.maxsize:
            with self._lock:
                self._remembered[version_id] = text
        return text


def _visible(tenant: str, principals: frozenset[str]) -> sa.Select[Any]:
    """A `_Seen` for each chunk of a live version that one of the principals may read."""
    return (
        sa.select(
            chunks.c.chunk_id,
            documents.c.uri,
            documents.c.source,
            documents.c.state,
            sa.func.coalesce(sources.c.trust, "normal"),
        )
        .join(versions, versions.c.version_id == chunks.c.version_id)
        .join(documents, is_live)
        .outerjoin(sources, sa.and_(sources.c.tenant == documents.c.tenant, sources.c.source == documents.c.source))
        .where(*readable(tenant, principals, by_key=True))
    )


def _content(chunk_ids: Iterable[str]) -> sa.Select[Any]:
    return (
        sa.select(chunks, *(versions.c[name] for name in _VERSION_FIELDS))
        .join(versions, versions.c.version_id == chunks.c.version_id)
        .where(chunks.c.chunk_id.in_(list(chunk_ids)))
    )


def readable(
    tenant: str, principals: frozenset[str], *, by_key: bool = False
) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Of `documents`: those of the tenant that one of the principals may read.

    Args:
        tenant: Whose.
        principals: Who asks.
        by_key: Whether other conditions find the rows by their keys. The tenant's index is then kept out of it: without
            statistics SQLite expects ten documents of a tenant, and would read all of them for each search.
    """
    # Stored text has a replacement character for what no database keeps: two names must not become one by it.
    names = sorted(name for name in principals if is_storable(name))
    may_read = sa.exists().where(
        document_readers.c.document_id == documents.c.document_id, document_readers.c.principal.in_(names)
    )
    owner: sa.ColumnElement[str] = sa.literal("") + documents.c.tenant if by_key else documents.c.tenant
    return owner == tenant, may_read


def _passage(seen: _Seen, row: Mapping[str, Any]) -> Passage:
    return Passage(
        chunk_id=seen.chunk_id,
        version_id=row["version_id"],
        **{name: row[name] for name in _VERSION_FIELDS},
        uri=seen.uri,
        source=seen.source,
        outdated=seen.state == "outdated",
        trust=seen.trust,
        chunk=chunk_from_row(row),
    )
