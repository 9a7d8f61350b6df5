"""The `ServedLog` port: what the server did for whom, the answers it gave, and what readers say of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tasks.access_models import AuditEntry, Feedback, ServedAnswer
from tasks.integrations.database.engine import Database, upsert
from tasks.integrations.database.schema import audit, feedback, served_answers
from tasks.models import derive_id


class DatabaseServedLog:
    """Writes; the answers with feedback are what curation reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, entries: Sequence[AuditEntry], answers: Sequence[ServedAnswer] = ()) -> None:
        """Keep them in one commit; the same answer twice is one."""
        # The last of equal ids stays: one statement may not write a row twice.
        audits = {row["audit_id"]: row for row in map(_audit_row, entries)}
        rows = {answer.answer_id: _answer_row(answer) for answer in answers}
        with self._database.write() as connection:
            upsert(connection, audit, list(audits.values()))
            upsert(connection, served_answers, list(rows.values()))

    def add_feedback(self, given: Feedback) -> bool:
        """Keep a verdict, replacing the same reader's former one; False when that reader got no such answer."""
        theirs = sa.select(served_answers.c.answer_id).where(
            served_answers.c.answer_id == given.answer_id,
            served_answers.c.tenant == given.tenant,
            served_answers.c.principal == given.principal,
        )
        with self._database.write() as connection:
            if connection.execute(theirs).scalar_one_or_none() is None:
                return False
            upsert(connection, feedback, [given.model_dump()])
        return True

    def prune(self, before: datetime) -> int:
        """Forget what is older, answers with feedback excepted; returns how many entries."""
        spoken_of = sa.select(feedback.c.answer_id)
        old_answers = sa.and_(served_answers.c.at < before, served_answers.c.answer_id.not_in(spoken_of))
        with self._database.write() as connection:
            forgotten = connection.execute(sa.delete(audit).where(audit.c.at < before)).rowcount
            connection.execute(sa.delete(served_answers).where(old_answers))
        return int(forgotten)


def _audit_row(entry: AuditEntry) -> dict[str, Any]:
    audit_id = derive_id(
        "audit", entry.tenant, entry.key_id, entry.request_id, entry.action, entry.question_hash, entry.at
    )
    return {"audit_id": audit_id, **entry.model_dump(), "document_ids": list(entry.document_ids)}


def _answer_row(answer: ServedAnswer) -> dict[str, Any]:
    return {
        **answer.model_dump(exclude={"answer", "principals"}),
        "principals": list(answer.principals),
        "answer": answer.answer.model_dump(mode="json"),
    }
