"""Versions and their chunks as they are written: not visible yet, and not in the vector store yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.document_ports import NewVersion
from tasks.integrations.database.engine import upsert
from tasks.integrations.database.rows import chunk_from_row, chunk_rows, version_row
from tasks.integrations.database.schema import chunks, collections, versions
from tasks.models import ChunkedDocument, Run, derive_version_id


def write_versions(connection: Connection, run: Run, written: Sequence[NewVersion]) -> None:
    """Write versions and chunks in state "writing"; a half-written version of a killed run is replaced."""
    if not written:
        return
    now = datetime.now(UTC)
    ids = [version.version_id for version in written]
    connection.execute(sa.delete(chunks).where(chunks.c.version_id.in_(ids)))
    upsert(connection, versions, [version_row(run, version) | {"created_at": now} for version in written])
    rows = [row for version in written for row in chunk_rows(version)]
    if rows:
        connection.execute(sa.insert(chunks), rows)


def copied_version(
    connection: Connection,
    version_id: str,
    *,
    document_id: str,
    groups: Sequence[str],
    fingerprint: str | None = None,
) -> NewVersion:
    """The same text and chunks under another document_id or pipeline."""
    row = connection.execute(sa.select(versions).where(versions.c.version_id == version_id)).mappings().one()
    parts = (
        connection.execute(sa.select(chunks).where(chunks.c.version_id == version_id).order_by(chunks.c.position))
        .mappings()
        .all()
    )
    fingerprint, wants = fingerprint or row["fingerprint"], row["wants"] or ""
    return NewVersion(
        version_id=derive_version_id(document_id, row["content_hash"], fingerprint, wants),
        document_id=document_id,
        content_hash=row["content_hash"],
        fingerprint=fingerprint,
        document=ChunkedDocument(
            text=row["text"],
            title=row["title"],
            language=row["language"],
            chunks=tuple(chunk_from_row(dict(part)) for part in parts),
        ),
        document_type=row["document_type"],
        modified=row["modified"],
        groups=tuple(sorted(set(groups))),
        embedding_keys=tuple(part["embedding_key"] for part in parts),
        copied_from=version_id if fingerprint == row["fingerprint"] else None,
        wants=wants,
    )


def complete_versions(connection: Connection, run: Run, rows: Sequence[Any]) -> list[str]:
    """Versions of the serving collection's pipeline that are to be indexed; what it never read is copied.

    Args:
        connection: In a write.
        run: Holds the lease.
        rows: Of the listing: content that was read, without an indexed version in the collection that serves.
    """
    if not rows:
        return []
    serving = sa.select(collections.c.fingerprint).where(collections.c.state == "serving")
    fingerprint = connection.execute(serving).scalar_one()
    waiting, copies = [], []
    for row in rows:
        same = (versions.c.document_id == row["document_id"], versions.c.content_hash == row["content_hash"])
        written = sa.select(versions.c.fingerprint, versions.c.version_id).where(*same, versions.c.state != "swept")
        found = {r.fingerprint: r.version_id for r in connection.execute(written.order_by(versions.c.created_at))}
        if fingerprint not in found:
            copy = copied_version(
                connection,
                [*found.values()][-1],
                document_id=row["document_id"],
                groups=row["groups"],
                fingerprint=fingerprint,
            )
            copies.append(copy)
            found[fingerprint] = copy.version_id
        waiting.append(found[fingerprint])
    write_versions(connection, run, copies)
    return waiting
