"""Versions on their way into the vector store and out of it, and the collections they live in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.integrations.database.definitions_schema import definitions
from tasks.integrations.database.engine import Database
from tasks.integrations.database.leases import check_lease
from tasks.integrations.database.locks import lock_name
from tasks.integrations.database.rows import chunk_from_row
from tasks.integrations.database.schema import chunks, collections, documents, listing, versions
from tasks.integrations.database.summaries_schema import summaries
from tasks.integrations.database.writing import copied_version, write_versions
from tasks.models import Pipeline, Run
from tasks.ports import IndexedChunk, StoredVersion, Superseded

PAGE = 500


class DatabaseVersions:
    """The `VersionStore` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_versions(self, version_ids: Sequence[str]) -> list[StoredVersion]:
        """Versions with their chunks in order of position; unknown ids are left out."""
        parts = (
            sa.select(chunks)
            .where(chunks.c.version_id.in_(version_ids))
            .order_by(chunks.c.version_id, chunks.c.position)
        )
        with self._database.read() as connection:
            by_version: dict[str, list[IndexedChunk]] = {}
            for row in connection.execute(parts).mappings():
                indexed = IndexedChunk(row["chunk_id"], row["embedding_key"], chunk_from_row(dict(row)))
                by_version.setdefault(row["version_id"], []).append(indexed)
            return read_stored(connection, version_ids, by_version)

    def mark_ready(self, run: Run, version_ids: Sequence[str]) -> None:
        """Their chunks are in the vector store."""
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            connection.execute(sa.update(versions).where(versions.c.version_id.in_(version_ids)).values(state="ready"))

    def mark_unindexed(self, fingerprint: str) -> None:
        """The vector store lost a collection: its versions are to be written again, and stay live meanwhile."""
        with self._database.write() as connection:
            lock_name(connection, "collections")
            connection.execute(
                sa.update(versions)
                .where(versions.c.fingerprint == fingerprint, versions.c.state == "ready")
                .values(state="writing")
            )

    def find_unindexed(self, run: Run, batch: int | None) -> list[str]:
        """version_ids in state "writing" of one batch; of the whole source when batch is None."""
        query = sa.select(versions.c.version_id).where(
            versions.c.tenant == run.tenant, versions.c.source == run.source, versions.c.state == "writing"
        )
        if batch is not None:
            query = query.join(
                listing,
                sa.and_(
                    listing.c.document_id == versions.c.document_id, listing.c.content_hash == versions.c.content_hash
                ),
            ).where(listing.c.run_id == run.run_id, listing.c.batch == batch)
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(versions.c.version_id)).scalars())

    def find_superseded(self, run: Run) -> Iterator[list[Superseded]]:
        """Pages of this source's versions that nobody sees or will see."""
        query = (
            sa.select(versions.c.version_id, versions.c.fingerprint)
            .join(documents, documents.c.document_id == versions.c.document_id, isouter=True)
            .where(
                versions.c.tenant == run.tenant,
                versions.c.source == run.source,
                versions.c.state.in_(("writing", "ready")),
                documents.c.live_version_id.is_distinct_from(versions.c.version_id),
                ~waits_for_flip(),
            )
            .order_by(versions.c.version_id)
            .limit(PAGE)
        )
        last = ""
        while True:
            with self._database.read() as connection:
                rows = connection.execute(query.where(versions.c.version_id > last)).all()
                ids = [row.version_id for row in rows]
                in_chunks, in_summaries = (
                    _list_ids(connection, column, ids) for column in (chunks.c.chunk_id, summaries.c.summary_id)
                )
                page = [
                    Superseded(r.version_id, r.fingerprint, in_chunks[r.version_id], in_summaries[r.version_id])
                    for r in rows
                ]
            if not page:
                return
            last = page[-1].version_id
            yield page

    def mark_swept(self, run: Run, version_ids: Sequence[str]) -> None:
        """Their rows left the vector store: drop all that is text of them, keep the version as history."""
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            for table in (chunks, definitions, summaries):
                connection.execute(sa.delete(table).where(table.c.version_id.in_(version_ids)))
            connection.execute(
                sa.update(versions).where(versions.c.version_id.in_(version_ids)).values(state="swept", text="")
            )

    def read_stale_readers(self, run: Run) -> dict[str, tuple[str, ...]]:
        """Readers by document_id of documents whose vector rows still carry the former ones."""
        query = sa.select(documents.c.document_id, documents.c.groups).where(
            documents.c.tenant == run.tenant, documents.c.source == run.source, documents.c.readers_stale
        )
        with self._database.read() as connection:
            return {row.document_id: tuple(row.groups) for row in connection.execute(query)}

    def mark_readers_written(self, run: Run, document_ids: Sequence[str]) -> None:
        """The vector store knows their readers now."""
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            connection.execute(
                sa.update(documents).where(documents.c.document_id.in_(document_ids)).values(readers_stale=False)
            )


class DatabaseCollections:
    """The `Collections` port: which embedding space serves, and which one is being filled beside it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_serving(self) -> Pipeline | None:
        """The pipeline whose collection searches read; None before the first ingest."""
        return self._read("serving")

    def read_building(self) -> Pipeline | None:
        """The pipeline whose collection is being filled, if any."""
        return self._read("building")

    def open_collection(self, pipeline: Pipeline) -> list[str]:
        """Make sure that the pipeline serves or is being built; returns names of collections given up by that."""
        now = datetime.now(UTC)
        with self._database.write() as connection:
            lock_name(connection, "collections")
            states = {row.fingerprint: row for row in connection.execute(sa.select(collections))}
            serving = next((row.fingerprint for row in states.values() if row.state == "serving"), None)
            abandoned = [
                row.name
                for row in states.values()
                if row.state == "building" and row.fingerprint != pipeline.fingerprint
            ]
            connection.execute(sa.update(collections).where(collections.c.name.in_(abandoned)).values(state="retired"))
            if serving != pipeline.fingerprint:
                state = "building" if serving else "serving"
                _set_collection(connection, pipeline, state, now)
        return abandoned

    def count_unread(self, pipeline: Pipeline) -> dict[str, int]:
        """By source: live documents that the pipeline being built has not read yet."""
        query = (
            sa.select(documents.c.tenant, documents.c.source, sa.func.count())
            .where(documents.c.live_version_id.is_not(None), ~_has_version(pipeline.fingerprint))
            .group_by(documents.c.tenant, documents.c.source)
        )
        with self._database.read() as connection:
            return {f"{tenant}/{source}": int(count) for tenant, source, count in connection.execute(query)}

    def carry_over(self, run: Run) -> list[str]:
        """Copy what the run's source cannot read again (outdated documents) into its pipeline; returns version_ids."""
        query = sa.select(documents).where(
            documents.c.tenant == run.tenant,
            documents.c.source == run.source,
            documents.c.live_version_id.is_not(None),
            ~_has_version(run.fingerprint),
        )
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            copies = [
                copied_version(
                    connection,
                    row["live_version_id"],
                    document_id=row["document_id"],
                    groups=row["groups"],
                    fingerprint=run.fingerprint,
                )
                for row in connection.execute(query).mappings().all()
            ]
            write_versions(connection, run, copies)
        return [copy.version_id for copy in copies]

    def flip(self, pipeline: Pipeline) -> str | None:
        """One commit: the built collection serves and every live version moves to it; returns the retired name.

        Does nothing and returns None when a live document is missing in it.
        """
        built = versions.alias("built")
        with self._database.write() as connection:
            lock_name(connection, "collections")
            missing = sa.select(sa.func.count()).where(
                documents.c.live_version_id.is_not(None), ~_has_version(pipeline.fingerprint)
            )
            if connection.execute(missing).scalar_one():
                return None
            moved = (
                sa.select(built.c.version_id)
                .where(
                    built.c.document_id == documents.c.document_id,
                    built.c.content_hash == documents.c.content_hash,
                    built.c.fingerprint == pipeline.fingerprint,
                    built.c.state == "ready",
                )
                # One whose missing parts were read meanwhile came later.
                .order_by(built.c.created_at.desc())
                .limit(1)
                .scalar_subquery()
            )
            connection.execute(
                sa.update(documents).where(documents.c.live_version_id.is_not(None)).values(live_version_id=moved)
            )
            former = connection.execute(
                sa.select(collections.c.name).where(collections.c.state == "serving")
            ).scalar_one_or_none()
            connection.execute(sa.update(collections).where(collections.c.state == "serving").values(state="retired"))
            _set_collection(connection, pipeline, "serving", datetime.now(UTC))
        return former

    def _read(self, state: str) -> Pipeline | None:
        with self._database.read() as connection:
            found = connection.execute(
                sa.select(collections.c.pipeline).where(collections.c.state == state)
            ).scalar_one_or_none()
        return Pipeline.model_validate(found) if found else None


def _set_collection(connection: Connection, pipeline: Pipeline, state: str, now: datetime) -> None:
    connection.execute(sa.delete(collections).where(collections.c.fingerprint == pipeline.fingerprint))
    connection.execute(
        sa.insert(collections).values(
            fingerprint=pipeline.fingerprint,
            name=pipeline.collection.name,
            pipeline=pipeline.model_dump(mode="json"),
            state=state,
            created_at=now,
        )
    )


def _has_version(fingerprint: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        versions.c.document_id == documents.c.document_id,
        versions.c.content_hash == documents.c.content_hash,
        versions.c.fingerprint == fingerprint,
        versions.c.state == "ready",
    )


def waits_for_flip() -> sa.ColumnElement[bool]:
    """The newest content of a live document, read for the collection being built."""
    return sa.and_(
        versions.c.state == "ready",
        versions.c.content_hash == documents.c.content_hash,
        sa.exists().where(collections.c.fingerprint == versions.c.fingerprint, collections.c.state == "building"),
    )


def read_stored(
    connection: Connection, version_ids: Sequence[str], parts: Mapping[str, Sequence[IndexedChunk]]
) -> list[StoredVersion]:
    """Versions with the parts that the vector store holds of each; unknown ids are left out."""
    # A document's readers change without a new version: those of today are what belongs into the vector store.
    current = sa.and_(
        documents.c.document_id == versions.c.document_id, documents.c.content_hash == versions.c.content_hash
    )
    heads = (
        sa.select(versions, documents.c.groups.label("current_groups"))
        .join(documents, current, isouter=True)
        .where(versions.c.version_id.in_(version_ids))
        .order_by(versions.c.version_id)
    )
    return [
        StoredVersion(
            version_id=row["version_id"],
            document_id=row["document_id"],
            tenant=row["tenant"],
            source=row["source"],
            fingerprint=row["fingerprint"],
            title=row["title"],
            document_type=row["document_type"],
            modified=row["modified"],
            groups=tuple(row["groups"] if row["current_groups"] is None else row["current_groups"]),
            copied_from=row["copied_from"],
            chunks=tuple(parts.get(row["version_id"], ())),
        )
        for row in connection.execute(heads).mappings()
    ]


def _list_ids(
    connection: Connection, column: sa.Column[str], version_ids: Sequence[str]
) -> defaultdict[str, list[str]]:
    """Ids of a table's rows by their version."""
    theirs = column.table.c.version_id
    found: defaultdict[str, list[str]] = defaultdict(list)
    for version_id, row_id in connection.execute(sa.select(theirs, column).where(theirs.in_(version_ids))):
        found[version_id].append(row_id)
    return found
