"""The `CitedDocuments` port: the live documents that pairs quote, whoever may read them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.curation_models import CitedDocument
from tasks.curation_ports import Place
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

    def find_places(self, places: Collection[Place]) -> dict[Place, Chunk]:
        """The chunks that hold these characters, by place."""
        with self._database.read() as connection:
            starts = _read_starts(connection, {place.version_id for place in places})
            holding = {
                place: id_ for place in places if (id_ := _find_holding(starts.get(place.version_id, ()), place))
            }
            found: dict[str, Chunk] = {}
            for batch in list_batches(sorted(set(holding.values()))):
                rows = connection.execute(sa.select(chunks).where(chunks.c.chunk_id.in_(batch))).mappings()
                found |= {row["chunk_id"]: chunk_from_row(dict(row)) for row in rows}
        return {place: found[chunk_id] for place, chunk_id in holding.items()}

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


def _read_starts(connection: Connection, version_ids: Collection[str]) -> dict[str, list[tuple[int, str]]]:
    """(start, chunk_id) of every chunk of the versions, ascending; of two that start together the first comes last."""
    found: dict[str, list[tuple[int, str]]] = {}
    for batch in list_batches(sorted(version_ids)):
        query = (
            sa.select(chunks.c.version_id, chunks.c.start, chunks.c.chunk_id)
            .where(chunks.c.version_id.in_(batch))
            .order_by(chunks.c.version_id, chunks.c.start, chunks.c.position.desc())
        )
        for version_id, start, chunk_id in connection.execute(query):
            found.setdefault(version_id, []).append((start, chunk_id))
    return found


def _find_holding(starts: Sequence[tuple[int, str]], place: Place) -> str | None:
    """The chunk_id of the last one that does not start behind the place."""
    number = bisect_right(starts, place.start, key=itemgetter(0))
    return starts[number - 1][1] if number else None


def _live(tenant: str, *columns: Any) -> sa.Select[Any]:
    return (
        sa.select(*columns)
        .select_from(documents)
        .join(versions, versions.c.version_id == documents.c.live_version_id)
        .where(documents.c.tenant == tenant)
    )
