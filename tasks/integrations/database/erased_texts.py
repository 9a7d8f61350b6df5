"""The database as an `ErasableStore`: hides a subject at once, empties every row that holds its text at the end.

Rows that other rows name stay, emptied; ids and hashes stay. `scrub` then makes the files forget what rows no longer
hold.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.erasure_models import Cleaned, Subject
from tasks.integrations.database.arms_schema import arm_answers
from tasks.integrations.database.curation_schema import dataset_pairs, pair_bands, pair_evidence, pairs
from tasks.integrations.database.definitions_schema import definitions
from tasks.integrations.database.engine import Database, list_batches
from tasks.integrations.database.erased_cases import erase_cases
from tasks.integrations.database.erasure_schema import dataset_marks
from tasks.integrations.database.locks import lock_name
from tasks.integrations.database.mentions import mentions
from tasks.integrations.database.schema import (
    answers,
    api_keys,
    audit,
    cached_vectors,
    chunks,
    collections,
    document_readers,
    documents,
    evaluation_results,
    feedback,
    gaps,
    listing,
    questions,
    runs,
    served_answers,
    versions,
)
from tasks.integrations.database.summaries_schema import summaries

CLEANED = frozenset({
    *("documents", "document_readers", "versions", "chunks", "definitions", "summaries", "cached_vectors"),
    *("listing", "runs"),
    *("pairs", "pair_evidence", "pair_bands"),
    *("arm_answers", "cases", "case_messages"),
    *("questions", "answers", "gaps", "served_answers", "feedback", "evaluation_results", "audit", "api_keys"),
})  # fmt: skip
"""Tables whose rows are deleted or emptied here, or go with rows that are."""

TEXTLESS = frozenset({
    *("collections", "leases", "calibrations", "evaluations", "sources"),
    *("document_splits", "datasets", "dataset_pairs", "dataset_marks", "erasures"),
    *("arm_reports", "adapters", "champions", "champion_changes", "approvals", "trainings"),
})  # fmt: skip
"""Tables with ids, hashes, numbers and names of sources alone. A test fails when a table is in neither set."""

_STORE = "database"
_SHORT_ID = re.compile(r"\b[0-9a-f]{8}\b")
"""As findings name the other pair (`tasks/curation/checks.py`)."""


class HiddenDocuments:
    """Nobody sees the documents from here on; the rows by which they are found stay until the end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, subject: Subject) -> Sequence[Cleaned]:
        """One commit."""
        ids = subject.document_ids
        if not ids:
            return ()
        shown = sa.and_(documents.c.document_id.in_(ids), documents.c.live_version_id.is_not(None))
        with self._database.write() as connection:
            lock_name(connection, "collections", shared=True)
            connection.execute(sa.delete(document_readers).where(document_readers.c.document_id.in_(ids)))
            hidden = connection.execute(
                sa.update(documents).where(shown).values(state="removed", live_version_id=None, groups=[])
            ).rowcount
        return (Cleaned(store=_STORE, what="documents taken from readers", count=hidden),)

    def list_rows(self, document_ids: Collection[str]) -> list[str]:
        """chunk_ids and summary_ids of every version."""
        theirs = versions.c.document_id.in_(document_ids)
        indexed = sa.union_all(
            *(
                sa.select(row_id).join(versions, versions.c.version_id == row_id.table.c.version_id).where(theirs)
                for row_id in (chunks.c.chunk_id, summaries.c.summary_id)
            )
        )
        with self._database.read() as connection:
            return sorted(connection.execute(indexed).scalars())

    def list_collections(self) -> list[str]:
        """Names of all, serving or not."""
        with self._database.read() as connection:
            return list(connection.execute(sa.select(collections.c.name).order_by(collections.c.name)).scalars())


class DatabaseTexts:
    """Every row with text of the subject, in one commit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def erase(self, subject: Subject) -> Sequence[Cleaned]:
        """Counts by what it was."""
        with self._database.write() as connection:
            lock_name(connection, "gaps")
            counts = {"pairs emptied": _empty_pairs(connection, subject)}
            counts |= {"findings of other pairs": _forget_findings(connection, subject)}
            counts |= {"answers of arms": _delete_arms(connection, subject)}
            counts |= erase_cases(connection, subject)
            counts |= _erase_documents(connection, subject) if subject.documents else {}
            counts |= _erase_author(connection, subject) if subject.kind == "author" else {}
        self._database.scrub()
        return [Cleaned(store=_STORE, what=what, count=count) for what, count in counts.items()]


# --- pairs --------------------------------------------------------------------------------------------------------


def _empty_pairs(connection: Connection, subject: Subject) -> int:
    """Their ids, and the keys made of their texts, stay: imported again, they are known, and stay withdrawn."""
    emptied = 0
    for batch in list_batches(subject.pair_ids):
        rows = connection.execute(sa.select(pairs).where(pairs.c.pair_id.in_(batch), pairs.c.reason != "erased")).all()
        connection.execute(sa.delete(pair_bands).where(pair_bands.c.pair_id.in_(batch)))
        no_quote: dict[str, Any] = {"quote": "", "now": None, "start": None, "end": None, "version_id": None}
        connection.execute(sa.update(pair_evidence).where(pair_evidence.c.pair_id.in_(batch)).values(no_quote))
        for row in rows:
            change = sa.update(pairs).where(pairs.c.pair_id == row.pair_id)
            connection.execute(change.values(_emptied(row, subject)))
        emptied += len(rows)
    return emptied


def _forget_findings(connection: Connection, subject: Subject) -> int:
    """A duplicate or a conflict is found in two pairs, and each one's finding repeats the other's words."""
    erased = {one[:8] for one in subject.pair_ids}
    others = sa.and_(pairs.c.tenant == subject.tenant, pairs.c.reason != "erased")
    rows = connection.execute(sa.select(pairs.c.pair_id, pairs.c.findings).where(others)).all()
    forgotten = 0
    for row in rows:
        kept = [one for one in row.findings if erased.isdisjoint(_SHORT_ID.findall(one["message"]))]
        if len(kept) < len(row.findings):
            forgotten += len(row.findings) - len(kept)
            connection.execute(sa.update(pairs).where(pairs.c.pair_id == row.pair_id).values(findings=kept))
    return forgotten


def _emptied(row: Any, subject: Subject) -> dict[str, Any]:
    return {
        "question": "",
        "answer": "",
        "findings": [],
        "accepted": [],
        "vector": None,
        "embedder": None,
        "state": "rejected",
        "reason": "erased",
        "author": subject.pseudonym if subject.kind == "author" else row.author,
        "history": [_quiet(entry, subject) for entry in row.history],
    }


def _quiet(entry: dict[str, Any], subject: Subject) -> dict[str, Any]:
    """Who did what when; not what it said."""
    theirs = subject.kind == "author" and entry.get("author") == subject.name
    return {**entry, "detail": "", **({"author": subject.pseudonym} if theirs else {})}


def _delete_arms(connection: Connection, subject: Subject) -> int:
    """Answers to questions of marked datasets: a passage of the subject may have stood beside any of them.

    They are a cache: what is measured again is answered again.
    """
    marked = sa.select(dataset_marks.c.dataset_id).where(
        dataset_marks.c.tenant == subject.tenant, dataset_marks.c.kind == "erased"
    )
    asked = sa.select(dataset_pairs.c.pair_id).where(dataset_pairs.c.dataset_id.in_(marked))
    return _delete(connection, arm_answers, arm_answers.c.pair_id.in_(asked))


# --- documents ----------------------------------------------------------------------------------------------------


def _erase_documents(connection: Connection, subject: Subject) -> dict[str, int]:
    ids = subject.document_ids
    names = [*ids, *(one.uri for one in subject.documents)]
    counts = {
        "embeddings": _delete_vectors(connection, ids),
        "versions emptied": _empty_versions(connection, ids),
        "served answers": _delete(connection, served_answers, mentions(served_answers.c.answer, names)),
        "stored questions": _delete_questions(connection, names),
        "evaluated answers": _delete(connection, evaluation_results, mentions(evaluation_results.c.result, names)),
        "open questions": _delete(connection, gaps, mentions(gaps.c.sources, names)),
        "listed names": _forget_names(connection, ids),
        "error messages": _forget_errors(connection, subject),
    }
    return counts | {"document records": _delete(connection, documents, documents.c.document_id.in_(ids))}


def _delete_vectors(connection: Connection, document_ids: Sequence[str]) -> int:
    """Cached embeddings of chunks and summaries, where no other document has the same one."""
    theirs = sa.select(versions.c.version_id).where(versions.c.document_id.in_(document_ids))
    found = cached_vectors.c.embedding_key
    return sum(
        _delete(
            connection,
            cached_vectors,
            sa.and_(
                found.in_(sa.select(table.c.embedding_key).where(table.c.version_id.in_(theirs))),
                found.not_in(sa.select(table.c.embedding_key).where(table.c.version_id.not_in(theirs))),
            ),
        )
        for table in (chunks, summaries)
    )


def _empty_versions(connection: Connection, document_ids: Sequence[str]) -> int:
    theirs = versions.c.document_id.in_(document_ids)
    version_ids = sa.select(versions.c.version_id).where(theirs)
    for table in (chunks, definitions, summaries):
        connection.execute(sa.delete(table).where(table.c.version_id.in_(version_ids)))
    empty = {"text": "", "title": "", "state": "swept", "source": "", "groups": [], "chunk_count": 0}
    return connection.execute(sa.update(versions).where(theirs).values(empty)).rowcount


def _delete_questions(connection: Connection, names: Sequence[str]) -> int:
    """Stored answers that speak of the documents, with their questions."""
    theirs = sa.select(answers.c.question_id).where(mentions(answers.c.answer, names))
    ids = list(connection.execute(theirs).scalars())
    return sum(_delete_asked(connection, batch) for batch in list_batches(ids))


def _delete_asked(connection: Connection, question_ids: Sequence[str]) -> int:
    connection.execute(sa.delete(answers).where(answers.c.question_id.in_(question_ids)))
    return _delete(connection, questions, questions.c.question_id.in_(question_ids))


def _forget_names(connection: Connection, document_ids: Sequence[str]) -> int:
    nameless: dict[str, Any] = {"path": "", "uri": "", "file_name": "", "title": None, "groups": []}
    nameless |= {"problem": sa.null(), "part_problems": sa.null()}
    named = sa.and_(listing.c.document_id.in_(document_ids), listing.c.path != "")
    return connection.execute(sa.update(listing).where(named).values(nameless)).rowcount


def _forget_errors(connection: Connection, subject: Subject) -> int:
    """Messages of failed runs may name a file."""
    named = sa.or_(
        sa.false(), *(runs.c.error.contains(one.uri, autoescape=True) for one in subject.documents if one.uri)
    )
    change = sa.update(runs).where(runs.c.tenant == subject.tenant, runs.c.error.is_not(None), named)
    return connection.execute(change.values(error="erased")).rowcount


# --- authors ------------------------------------------------------------------------------------------------------


def _erase_author(connection: Connection, subject: Subject) -> dict[str, int]:
    name = subject.name
    theirs = sa.and_(served_answers.c.tenant == subject.tenant, served_answers.c.principal == name)
    asked = list(connection.execute(sa.select(served_answers.c.answer).where(theirs)).scalars())
    revoked = sa.func.coalesce(api_keys.c.revoked_at, datetime.now(UTC))
    return {
        "histories": _rename_in_histories(connection, subject),
        "verdicts": _delete(
            connection, feedback, sa.and_(feedback.c.tenant == subject.tenant, feedback.c.principal == name)
        ),
        "open questions": _delete_gaps(connection, subject.tenant, {one.get("question", "") for one in asked}),
        "served answers": _delete(connection, served_answers, theirs),
        "stored questions": _delete_questions_of(connection, subject),
        "audit entries renamed": _rename(connection, audit, subject, key_id=subject.pseudonym),
        "keys revoked": _rename(connection, api_keys, subject, groups=[], revoked_at=revoked),
    }


def _rename_in_histories(connection: Connection, subject: Subject) -> int:
    """Their name in what became of other people's pairs."""
    named = mentions(pairs.c.history, [subject.name])
    query = sa.select(pairs.c.pair_id, pairs.c.history).where(pairs.c.tenant == subject.tenant, named)
    renamed = 0
    for row in connection.execute(query).all():
        history = [
            {**entry, "author": subject.pseudonym} if entry.get("author") == subject.name else entry
            for entry in row.history
        ]
        if history != row.history:
            connection.execute(sa.update(pairs).where(pairs.c.pair_id == row.pair_id).values(history=history))
            renamed += 1
    return renamed


def _delete_gaps(connection: Connection, tenant: str, asked: Collection[str]) -> int:
    return sum(
        _delete(connection, gaps, sa.and_(gaps.c.tenant == tenant, gaps.c.question.in_(batch)))
        for batch in list_batches(sorted(asked))
    )


def _delete_questions_of(connection: Connection, subject: Subject) -> int:
    query = sa.select(questions.c.question_id, questions.c.principals).where(
        questions.c.tenant == subject.tenant, mentions(questions.c.principals, [subject.name])
    )
    ids = [row.question_id for row in connection.execute(query) if subject.name in row.principals]
    return sum(_delete_asked(connection, batch) for batch in list_batches(ids))


def _rename(connection: Connection, table: sa.Table, subject: Subject, **values: Any) -> int:
    theirs = sa.and_(table.c.tenant == subject.tenant, table.c.principal == subject.name)
    change = sa.update(table).where(theirs).values(principal=subject.pseudonym, **values)
    return connection.execute(change).rowcount


def _delete(connection: Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    return connection.execute(sa.delete(table).where(condition)).rowcount
