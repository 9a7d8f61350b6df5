"""`SummaryStore` and `SummaryReader`: what documents and their sections are about.

A summary hangs on a version, and counts only where its chunks may be read at that moment: what is deleted, changed or
withdrawn takes its summaries with it in the same commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tasks.integrations.database.engine import Database, list_batches
from tasks.integrations.database.leases import check_lease
from tasks.integrations.database.schema import documents, versions
from tasks.integrations.database.summaries_schema import summaries
from tasks.integrations.database.versions import read_stored, waits_for_flip
from tasks.models import Run, derive_chunk_id
from tasks.ports import IndexedChunk, StoredVersion
from tasks.summary_ports import FoundSummary, Summary, derive_summary_id

PAGE = 50
"""Documents in memory at once."""


class DatabaseSummaries:
    """Summaries by version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_unsummarised(self, run: Run, rules: Collection[str]) -> Iterator[list[str]]:
        """Pages of the source's version_ids that searches see, or will see, and that no such rules summarised."""
        query = (
            sa.select(versions.c.version_id)
            .join(documents, documents.c.document_id == versions.c.document_id)
            .where(
                versions.c.tenant == run.tenant,
                versions.c.source == run.source,
                versions.c.state == "ready",
                sa.func.coalesce(versions.c.summary_rules, "").not_in(rules),
                sa.or_(documents.c.live_version_id == versions.c.version_id, waits_for_flip()),
            )
            # A pipeline's versions together: each of them is written into a collection of its own.
            .order_by(versions.c.fingerprint, versions.c.version_id)
        )
        with self._database.read() as connection:
            found = list(connection.execute(query).scalars())
        yield from (found[start : start + PAGE] for start in range(0, len(found), PAGE))

    def read_versions(self, version_ids: Sequence[str]) -> list[StoredVersion]:
        """Versions with their summaries in the place of chunks; unknown ids are left out."""
        query = sa.select(summaries).where(summaries.c.version_id.in_(version_ids)).order_by(summaries.c.position)
        with self._database.read() as connection:
            parts: dict[str, list[IndexedChunk]] = {}
            for row in connection.execute(query).mappings():
                summary = _summary(row)
                indexed = IndexedChunk(row["summary_id"], summary.embedding_key, summary.as_chunk)
                parts.setdefault(row["version_id"], []).append(indexed)
            return read_stored(connection, version_ids, parts)

    def list_summary_ids(self, version_ids: Sequence[str]) -> list[str]:
        """Of the versions' summaries."""
        query = sa.select(summaries.c.summary_id).where(summaries.c.version_id.in_(version_ids))
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(summaries.c.summary_id)).scalars())

    def write_summaries(self, run: Run, made: Mapping[str, Sequence[Summary]]) -> None:
        """Replace the summaries of each version_id."""
        theirs = sa.select(versions.c.version_id, versions.c.fingerprint).where(versions.c.version_id.in_(list(made)))
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            fingerprints = {row.version_id: row.fingerprint for row in connection.execute(theirs)}
            rows = [
                _row(version_id, summary) | {"fingerprint": fingerprints[version_id]}
                for version_id, found in made.items()
                for summary in found
            ]
            connection.execute(sa.delete(summaries).where(summaries.c.version_id.in_(list(made))))
            if rows:
                connection.execute(sa.insert(summaries), rows)

    def mark_summarised(self, run: Run, version_ids: Sequence[str], rules: str) -> None:
        """Their summaries are in the vector store."""
        change = sa.update(versions).where(versions.c.version_id.in_(version_ids)).values(summary_rules=rules)
        with self._database.write() as connection:
            check_lease(connection, run.lease_token)
            connection.execute(change)

    def mark_unsummarised(self, fingerprint: str) -> None:
        """The vector store lost a collection's summaries: they are to be written again."""
        theirs = sa.and_(versions.c.fingerprint == fingerprint, versions.c.summary_rules.is_not(None))
        with self._database.write() as connection:
            connection.execute(sa.update(versions).where(theirs).values(summary_rules=None))

    def has_summaries(self, fingerprint: str) -> bool:
        """Whether any document that a pipeline has read has one."""
        query = sa.select(summaries.c.summary_id).where(summaries.c.fingerprint == fingerprint).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def read_summaries(self, summary_ids: Collection[str]) -> dict[str, FoundSummary]:
        """Each with the chunks it stands for, whoever may read them; unknown ids are left out."""
        content = versions.c.document_id, versions.c.content_hash
        query = sa.select(summaries, *content).join(versions, versions.c.version_id == summaries.c.version_id)
        with self._database.read() as connection:
            rows = [
                row
                for batch in list_batches(sorted(summary_ids))
                for row in connection.execute(query.where(summaries.c.summary_id.in_(batch))).mappings()
            ]
        return {row["summary_id"]: _found(row) for row in rows}


def _found(row: Mapping[Any, Any]) -> FoundSummary:
    content = row["document_id"], row["content_hash"], row["fingerprint"]
    return FoundSummary(_summary(row).as_chunk, tuple(derive_chunk_id(*content, lead) for lead in row["leads"]))


def _row(version_id: str, summary: Summary) -> dict[str, Any]:
    return {
        **summary._asdict(),
        "summary_id": derive_summary_id(version_id, summary.position, summary.text),
        "version_id": version_id,
    }


def _summary(row: Mapping[Any, Any]) -> Summary:
    return Summary(
        position=row["position"],
        text=row["text"],
        spans=tuple((start, end) for start, end in row["spans"]),
        leads=tuple(row["leads"]),
        heading_path=tuple(row["heading_path"]),
        language=row["language"],
        embedding_key=row["embedding_key"],
    )
