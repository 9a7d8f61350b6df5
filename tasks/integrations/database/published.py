"""What a document's row becomes when its reading is published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.document_ports import NEEDS
from tasks.integrations.database.schema import collections, documents, versions
from tasks.models import Run

FAILED = frozenset({"outdated", "quarantined"})
RACY_SECONDS = 2
"""A file modified this shortly before the listing may change again within its clock's grain: it is hashed next time."""


def documents_by_id(connection: Connection, ids: Sequence[str]) -> dict[str, Any]:
    """Their rows as they are."""
    query = sa.select(documents).where(documents.c.document_id.in_(ids))
    return {row["document_id"]: row for row in connection.execute(query).mappings()}


def serving_versions(connection: Connection, rows: Sequence[Any]) -> dict[tuple[str, str], Any]:
    """Indexed versions of the serving collection's pipeline by (document_id, content_hash)."""
    query = (
        sa.select(*(versions.c[name] for name in ("version_id", "document_id", "content_hash", "chunk_count", "wants")))
        .join(collections, collections.c.fingerprint == versions.c.fingerprint)
        .where(
            collections.c.state == "serving",
            versions.c.state == "ready",
            versions.c.document_id.in_([row["document_id"] for row in rows]),
        )
        .order_by(versions.c.created_at)  # one whose missing parts were read came later, and wins
    )
    return {(row.document_id, row.content_hash): row for row in connection.execute(query)}


def is_served(row: Any, live: dict[tuple[str, str], Any]) -> bool:
    """Whether a row of the listing can be published: nothing was read, or what was is indexed."""
    return row["outcome"] in FAILED or (row["document_id"], row["content_hash"]) in live


def document_row(
    run: Run, row: Any, documents_before: dict[str, Any], live: dict[tuple[str, str], Any], capabilities: str
) -> dict[str, Any]:
    """The document as a row of the listing makes it; one that was renamed takes along what was found in it."""
    known = documents_before.get(row["document_id"])
    told = documents_before.get(row["renamed_from"], known)
    failed, lacks = row["outcome"] in FAILED, None
    kept = {"live_version_id": known["live_version_id"], "content_hash": known["content_hash"]} if known else {}
    if failed:
        what = {"state": row["outcome"], "live_version_id": None, "content_hash": None} | (
            kept if row["outcome"] == "outdated" else {}
        )
    else:
        version = live[row["document_id"], row["content_hash"]]
        state = "live" if version.chunk_count else "empty"
        if version.version_id != kept.get("live_version_id"):
            lacks = version.wants or ""
        what = {"state": state, "live_version_id": version.version_id, "content_hash": row["content_hash"]}
    racy = row["modified"] is not None and row["modified"] > run.started_at - timedelta(seconds=RACY_SECONDS)
    return (
        what
        | {
            "document_id": row["document_id"],
            "tenant": run.tenant,
            "source": run.source,
            "path": row["path"],
            "uri": row["uri"],
            "file_name": row["file_name"],
            "groups": row["groups"],
            "readers_stale": bool(known and known["readers_stale"]),
            "seen_size": row["size_bytes"],
            "seen_modified": None if racy else row["modified"],
            "seen_etag": row["etag"],
            "seen_hash": row["content_hash"],
            "read_fingerprint": run.fingerprint,
            # Of the one that was renamed nothing was read.
            "read_capabilities": told["read_capabilities"] if told and row["renamed_from"] else capabilities,
            "updated_at": datetime.now(UTC),
        }
        | _findings(row, told, failed=failed, lacks=lacks)
    )


def _findings(row: Any, known: Any, *, failed: bool, lacks: str | None) -> dict[str, Any]:
    """Problems found now; where nothing was read again, those found before that still hold.

    Args:
        row: Of the listing.
        known: Of the document, or of the one that was renamed to it; None: it is new.
        failed: It was not read.
        lacks: Reasons `needs-…` of another version that becomes live; None: none does.
    """
    read_again = row["outcome"] in {"new", "changed"} or row["reprocess"] or row["problem"]
    source = row if read_again or known is None else known
    # A killed run may have read the missing parts of the version that becomes live now.
    parts = [one for one in source["part_problems"] or () if lacks is None or _holds(one["problem"]["reason"], lacks)]
    return {"problem": source["problem"] if failed else None, "part_problems": parts or None}


def _holds(reason: str, lacks: str) -> bool:
    return not reason.startswith(NEEDS) or reason in lacks.split()
