"""The `ServedLog` and `CorrectionLog` ports: what the server did for whom, its answers, what readers say of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tasks.access_models import AuditEntry, Feedback, ServedAnswer
from tasks.answer_models import Answer
from tasks.curation_models import Correction
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

    def list_corrections(self, tenant: str) -> Iterator[Correction]:
        """Every right answer that a reader wrote, in order of time; what curation starts from."""
        query = (
            sa.select(feedback.c.text, feedback.c.principal, served_answers.c.answer)
            .join(served_answers, served_answers.c.answer_id == feedback.c.answer_id)
            .where(feedback.c.tenant == tenant, feedback.c.verdict == "corrected")
            .order_by(feedback.c.at, feedback.c.answer_id, feedback.c.principal)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            answer = Answer.model_validate(row.answer)
            quoted = tuple((one.document_id, one.quote) for one in answer.citations)
            if (row.text or "").strip():
                yield Correction(
                    question=answer.question, text=row.text.strip(), principal=row.principal, quoted=quoted
                )

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
