"""The `Manifest` port: what a listing means against what is known, and the commits that readers see."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.document_ports import Candidate, Gone, Known, NewVersion, Reading
from tasks.file_names import read_file_name
from tasks.integrations.database.curation_schema import document_splits, pair_evidence
from tasks.integrations.database.engine import Database, update_rows, upsert
from tasks.integrations.database.leases import check_lease
from tasks.integrations.database.locks import lock_name
from tasks.integrations.database.published import document_row, documents_by_id, is_served, serving_versions
from tasks.integrations.database.rows import listed_document, listing_row, part_problem_rows
from tasks.integrations.database.schema import document_readers, documents, is_live, listing, versions
from tasks.integrations.database.writing import complete_versions, copied_version, write_versions
from tasks.models import ListedDocument, Problem, Run, derive_document_id

LIVE = ("live", "empty", "outdated")


class DatabaseManifest:
    """Every write is one fenced commit; nothing is kept in memory between calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_listing(self, run: Run, documents: Sequence[ListedDocument]) -> None:
        """Write a part of the listing; a path listed twice becomes a second, quarantined entry."""
        rows = [listing_row(run, derive_document_id(run.tenant, run.source, d.path), d) for d in documents]
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            known = self._listed_ids(connection, run, [row["document_id"] for row in rows])
            for number, row in enumerate(rows):
                if row["document_id"] in known:
                    rows[number] = _listed_twice(run, row)
                known.add(row["document_id"])
            upsert(connection, listing, rows)

    def compare_listing(self, run: Run, *, capabilities: str, supplied: frozenset[str], batch_documents: int) -> int:
        """Settle what needs no reading, take over new readers, number the rest in batches; returns their count."""
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            _settle_unchanged(connection, run, capabilities, supplied)
            _take_over_readers(connection, run)
            _number_batches(connection, run, batch_documents)
            last = connection.execute(sa.select(sa.func.max(listing.c.batch)).where(listing.c.run_id == run.run_id))
            return int(last.scalar_one() or 0)

    def read_candidates(self, run: Run, batch: int, *, capabilities: str, supplied: frozenset[str]) -> list[Candidate]:
        """The candidates of one batch that have no outcome yet, by path."""
        query = (
            sa.select(listing, *_known_columns())
            .join(documents, documents.c.document_id == listing.c.document_id, isouter=True)
            .where(listing.c.run_id == run.run_id, listing.c.batch == batch, listing.c.outcome.is_(None))
            .order_by(listing.c.path)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
            current = _list_current(connection, run, rows, capabilities, supplied)
        return [Candidate(r["document_id"], listed_document(dict(r)), _known(r, current)) for r in rows]

    def find_renamed(self, run: Run, content_hash: str, *, claimed: Collection[str]) -> tuple[str, str] | None:
        """(document_id, version_id) of a live document with this content whose path is gone, claimed by no other."""
        listed = sa.select(listing.c.document_id).where(listing.c.run_id == run.run_id)
        recorded = listed.with_only_columns(listing.c.renamed_from).where(listing.c.renamed_from.is_not(None))
        query = (
            sa.select(documents.c.document_id, documents.c.live_version_id)
            .where(
                documents.c.tenant == run.tenant,
                documents.c.source == run.source,
                documents.c.content_hash == content_hash,
                documents.c.state.in_(("live", "empty")),
                documents.c.document_id.not_in(listed),
                documents.c.document_id.not_in(recorded),
                documents.c.document_id.not_in(claimed),
            )
            .order_by(documents.c.path)
            .limit(1)
        )
        with self._database.read() as connection:
            found = connection.execute(query).one_or_none()
        return (found[0], found[1]) if found else None

    def copy_version(self, version_id: str, *, document_id: str, listed: ListedDocument) -> NewVersion:
        """A version under a new document_id, for a rename; a document that was called by its file name still is."""
        with self._database.read() as connection:
            copy = copied_version(connection, version_id, document_id=document_id, groups=listed.groups)
            query = sa.select(documents.c.path).join(versions, is_live).where(versions.c.version_id == version_id)
            former = read_file_name(connection.execute(query).scalar_one())
        title, text = copy.document.title, copy.document.text
        if title != former or title in text:
            return copy
        renamed = " ".join((listed.title or read_file_name(listed.file_name)).split())
        return copy._replace(document=copy.document.model_copy(update={"title": renamed}))

    def record_readings(self, run: Run, readings: Sequence[Reading]) -> None:
        """Write versions (not visible yet) and outcomes."""
        written = [version for reading in readings for version in reading.versions]
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            write_versions(connection, run, written)
            update_rows(
                connection,
                sa.update(listing).where(listing.c.run_id == run.run_id),
                {reading.document_id: _outcome_values(reading) for reading in readings},
            )

    def publish_batch(self, run: Run, batch: int, *, capabilities: str) -> list[str]:
        """The commit that readers see: move live versions, states, readers, problems of one batch.

        Returns:
            version_ids that must be in the vector store first: nothing was published then. Another run's flip has made
            a collection serve that did not exist when this batch was read.
        """
        query = sa.select(listing).where(
            listing.c.run_id == run.run_id, listing.c.batch == batch, listing.c.outcome.is_not(None)
        )
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            lock_name(connection, "collections", shared=True)
            rows = connection.execute(query).mappings().all()
            live = serving_versions(connection, rows)
            if waiting := complete_versions(connection, run, [row for row in rows if not is_served(row, live)]):
                return waiting
            named = {row["document_id"] for row in rows} | {row["renamed_from"] for row in rows if row["renamed_from"]}
            known = documents_by_id(connection, sorted(named))
            published = [document_row(run, row, known, live, capabilities) for row in rows]
            upsert(connection, documents, published)
            write_readers(connection, {row["document_id"]: row["groups"] for row in published})
            for row in rows:
                if row["renamed_from"]:
                    move_document(connection, row["renamed_from"], row["document_id"])
        return []

    def count_gone(self, run: Run) -> Gone:
        """How many live documents the listing does not name, renamed ones left out (they have moved already)."""
        mine = _live_documents(run)
        with self._database.read() as connection:
            live = connection.execute(sa.select(sa.func.count()).select_from(documents).where(*mine)).scalar_one()
            gone = connection.execute(
                sa.select(sa.func.count()).select_from(documents).where(*mine, _unlisted(run))
            ).scalar_one()
        return Gone(live=live, gone=gone)

    def remove_gone(self, run: Run) -> int:
        """Remove them from sight, and forget unlisted quarantined ones; returns how many were live."""
        vanished = sa.select(documents.c.document_id).where(*_live_documents(run), _unlisted(run))
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            connection.execute(sa.delete(document_readers).where(document_readers.c.document_id.in_(vanished)))
            removed = connection.execute(
                sa.update(documents)
                .where(*_live_documents(run), _unlisted(run))
                .values(state="removed", live_version_id=None, content_hash=None, problem=None, part_problems=None)
            ).rowcount
            connection.execute(
                sa.delete(documents).where(
                    documents.c.tenant == run.tenant,
                    documents.c.source == run.source,
                    documents.c.state == "quarantined",
                    _unlisted(run),
                )
            )
        return int(removed)

    def _listed_ids(self, connection: Connection, run: Run, ids: Sequence[str]) -> set[str]:
        query = sa.select(listing.c.document_id).where(listing.c.run_id == run.run_id, listing.c.document_id.in_(ids))
        return set(connection.execute(query).scalars())


def write_readers(connection: Connection, readers: dict[str, Sequence[str]]) -> None:
    """Replace who may read each document."""
    if not readers:
        return
    connection.execute(sa.delete(document_readers).where(document_readers.c.document_id.in_(list(readers))))
    rows = [{"document_id": key, "principal": name} for key, names in readers.items() for name in sorted(set(names))]
    if rows:
        connection.execute(sa.insert(document_readers), rows)


def move_document(connection: Connection, old: str, new: str) -> None:
    """Everything that hangs on a renamed document goes with it; the old row goes away in the same commit."""
    for table in (versions, pair_evidence):
        connection.execute(sa.update(table).where(table.c.document_id == old).values(document_id=new))
    # A document that lay at the new path before has left a split there; the one that moves in brings its own.
    if connection.execute(sa.select(document_splits).where(document_splits.c.document_id == old)).first():
        connection.execute(sa.delete(document_splits).where(document_splits.c.document_id == new))
        connection.execute(
            sa.update(document_splits).where(document_splits.c.document_id == old).values(document_id=new)
        )
    connection.execute(sa.delete(documents).where(documents.c.document_id == old))


def _listed_twice(run: Run, row: dict[str, Any]) -> dict[str, Any]:
    path = f"{row['path']} (listed again)"
    problem = Problem(
        reason="listed-twice",
        message=f"{row['path']} is listed more than once; only the first one is read",
        advice="make the key column or the path unique in this source",
    )
    document_id = derive_document_id(run.tenant, run.source, path)
    return row | {"document_id": document_id, "path": path, "problem": problem.model_dump()}


def _list_current(
    connection: Connection, run: Run, rows: Sequence[Any], capabilities: str, supplied: frozenset[str]
) -> set[str]:
    """The document_ids whose live content this run's pipeline has read already, as far as it can be read."""
    live = {(row["document_id"], row["known_content_hash"]): row["document_id"] for row in rows}
    query = (
        sa.select(versions.c.document_id, versions.c.content_hash)
        .join(documents, documents.c.document_id == versions.c.document_id)
        .where(
            versions.c.document_id.in_([row["document_id"] for row in rows]),
            versions.c.fingerprint == run.fingerprint,
            versions.c.state == "ready",
            sa.or_(documents.c.read_capabilities == capabilities, ~_can_be_completed(supplied)),
        )
    )
    return {
        document_id for document_id, content_hash in connection.execute(query) if (document_id, content_hash) in live
    }


def _can_be_completed(supplied: frozenset[str]) -> sa.ColumnElement[bool]:
    """Of `versions`: parts of it were unread for want of a program that is there now."""
    there = (versions.c.wants.contains(reason) for reason in sorted(supplied))
    return sa.and_(versions.c.wants.is_not(None), sa.or_(sa.false(), *there))


def _settle_unchanged(connection: Connection, run: Run, capabilities: str, supplied: frozenset[str]) -> None:
    """Equal etag, or equal size and time, under the same conditions: the former outcome stands, nothing is read."""
    same_stat = sa.or_(
        sa.and_(listing.c.etag.is_not(None), listing.c.etag == documents.c.seen_etag),
        sa.and_(
            listing.c.etag.is_(None),
            listing.c.modified == documents.c.seen_modified,
            listing.c.size_bytes.is_not_distinct_from(documents.c.seen_size),
        ),
    )
    same_pipeline = documents.c.read_fingerprint == run.fingerprint
    incomplete = sa.select(versions.c.version_id).where(_can_be_completed(supplied))
    tried = documents.c.read_capabilities == capabilities
    complete = sa.or_(tried, documents.c.live_version_id.not_in(incomplete))
    failed_alike = sa.and_(same_pipeline, tried)
    settled = sa.case(
        (sa.and_(documents.c.state.in_(("live", "empty")), same_pipeline, complete), "unchanged"),
        (sa.and_(documents.c.state.in_(("outdated", "quarantined")), failed_alike), documents.c.state),
        else_=None,
    )
    connection.execute(
        sa.update(listing)
        .where(
            listing.c.run_id == run.run_id,
            listing.c.document_id == documents.c.document_id,
            listing.c.problem.is_(None),
            same_stat,
        )
        .values(outcome=settled)
    )


def _take_over_readers(connection: Connection, run: Run) -> None:
    """Withdrawing is effective with this commit; the vector store learns of it afterwards (`readers_stale`)."""
    query = (
        sa.select(listing.c.document_id, listing.c.groups)
        .join(documents, documents.c.document_id == listing.c.document_id)
        .where(
            listing.c.run_id == run.run_id,
            documents.c.state != "removed",
            sa.cast(listing.c.groups, sa.Text) != sa.cast(documents.c.groups, sa.Text),
        )
    )
    changed = {row.document_id: row.groups for row in connection.execute(query)}
    values = {document_id: {"groups": groups, "readers_stale": True} for document_id, groups in changed.items()}
    update_rows(connection, sa.update(documents), values)
    write_readers(connection, changed)


def _number_batches(connection: Connection, run: Run, batch_documents: int) -> None:
    undecided = (
        sa.select(
            listing.c.document_id,
            (sa.func.row_number().over(order_by=listing.c.path) - 1).label("number"),
        )
        .where(listing.c.run_id == run.run_id, listing.c.outcome.is_(None))
        .subquery()
    )
    connection.execute(
        sa.update(listing)
        .where(listing.c.run_id == run.run_id, listing.c.document_id == undecided.c.document_id)
        .values(batch=undecided.c.number // batch_documents + 1)
    )


def _known_columns() -> list[Any]:
    names = ("state", "content_hash", "seen_hash", "read_fingerprint", "read_capabilities", "live_version_id")
    return [documents.c[name].label(f"known_{name}") for name in names]


def _known(row: Any, current: set[str]) -> Known | None:
    if row["known_state"] is None:
        return None
    return Known(
        state=row["known_state"],
        content_hash=row["known_content_hash"],
        seen_hash=row["known_seen_hash"],
        read_fingerprint=row["known_read_fingerprint"],
        read_capabilities=row["known_read_capabilities"],
        live_version_id=row["known_live_version_id"],
        has_current=row["document_id"] in current,
    )


def _outcome_values(reading: Reading) -> dict[str, Any]:
    return {
        "outcome": reading.outcome,
        "content_hash": reading.content_hash,
        "problem": reading.problem.model_dump() if reading.problem else None,
        "part_problems": part_problem_rows(reading.part_problems),
        "reprocess": reading.reprocess,
        "renamed_from": reading.renamed_from,
    }


def _live_documents(run: Run) -> tuple[sa.ColumnElement[bool], ...]:
    return documents.c.tenant == run.tenant, documents.c.source == run.source, documents.c.state.in_(LIVE)


def _unlisted(run: Run) -> sa.ColumnElement[bool]:
    """Not named by the listing, and not below a folder that could not be listed."""
    mine = listing.c.run_id == run.run_id
    named = sa.exists().where(mine, listing.c.document_id == documents.c.document_id)
    closed = sa.exists().where(
        mine,
        listing.c.problem.is_not(None),
        listing.c.path.endswith("/"),
        sa.func.substr(documents.c.path, 1, sa.func.length(listing.c.path)) == listing.c.path,
    )
    return sa.and_(~named, ~closed)
