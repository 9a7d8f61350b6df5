"""What the server did for whom: kept, spoken of, forgotten in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from tasks.access_models import AuditEntry, Feedback, ServedAnswer, Verdict
from tasks.answer_models import Answer
from tasks.integrations.database.engine import Database
from tasks.integrations.database.schema import audit, feedback, served_answers
from tasks.integrations.database.served import DatabaseServedLog

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def entry(request_id: str = "r1", *, at: datetime = NOW) -> AuditEntry:
    return AuditEntry(
        request_id=request_id, action="answer", tenant="default", principal="anna", key_id="k", at=at, question_hash="h"
    )


def served(answer_id: str = "a1", *, at: datetime = NOW) -> ServedAnswer:
    answer = Answer(question="how long? \ud800", text="six weeks")
    return ServedAnswer(
        answer_id=answer_id, tenant="default", principal="anna", principals=("anna",), at=at, answer=answer
    )


def verdict(answer_id: str = "a1", *, principal: str = "anna", tenant: str = "default", text: str = "x") -> Feedback:
    return Feedback(
        answer_id=answer_id, tenant=tenant, principal=principal, verdict=Verdict.CORRECTED, text=text, at=NOW
    )


def rows(database: Database, table: sa.Table) -> list[dict[str, object]]:
    with database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def test_the_same_answer_twice_is_one(database: Database) -> None:
    log = DatabaseServedLog(database)
    log.record([entry(), entry()], [served(), served()])
    log.record([entry()], [served()])
    assert len(rows(database, audit)) == len(rows(database, served_answers)) == 1


def test_a_reader_has_one_verdict_on_an_answer(database: Database) -> None:
    log = DatabaseServedLog(database)
    log.record([], [served()])
    assert log.add_feedback(verdict(text="first"))
    assert log.add_feedback(verdict(text="second"))
    assert [row["text"] for row in rows(database, feedback)] == ["second"]


def test_nobody_speaks_of_what_another_was_answered(database: Database) -> None:
    log = DatabaseServedLog(database)
    log.record([], [served()])
    assert not log.add_feedback(verdict(principal="ben"))
    assert not log.add_feedback(verdict(tenant="acme"))
    assert not log.add_feedback(verdict("unknown"))
    assert rows(database, feedback) == []


def test_old_entries_are_forgotten_and_answers_that_were_spoken_of_stay(database: Database) -> None:
    log = DatabaseServedLog(database)
    old = NOW - timedelta(days=91)
    log.record([entry("old", at=old), entry("new")], [served("old", at=old), served("spoken", at=old), served("new")])
    log.add_feedback(verdict("spoken"))
    assert log.prune(NOW - timedelta(days=90)) == 1
    assert [row["request_id"] for row in rows(database, audit)] == ["new"]
    assert {row["answer_id"] for row in rows(database, served_answers)} == {"spoken", "new"}
