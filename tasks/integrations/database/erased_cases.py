"""Cases without erased text: what a document made of them goes, and everything of a sender.

A case keeps its id, when it came, how it was routed and what was decided. What has not left the house does not leave
it any more; what has left stays with who got it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.erasure_models import Subject
from tasks.integrations.database.cases_schema import case_messages, cases
from tasks.integrations.database.engine import list_batches
from tasks.integrations.database.mentions import mentions


def erase_cases(connection: Connection, subject: Subject) -> dict[str, int]:
    """Counts by what it was."""
    if subject.kind == "document":
        return _erase_outcomes(connection, subject)
    return _erase_sender(connection, subject)


def _erase_outcomes(connection: Connection, subject: Subject) -> dict[str, int]:
    """Of cases whose answer rests on the documents; what their customers wrote is not the documents' text."""
    names = [*subject.document_ids, *(one.uri for one in subject.documents)]
    query = sa.select(cases.c.case_id, cases.c.outcome).where(
        cases.c.tenant == subject.tenant, mentions(cases.c.outcome, names)
    )
    rows = connection.execute(query).all()
    for row in rows:
        change = sa.update(cases).where(cases.c.case_id == row.case_id)
        connection.execute(change.values(outcome=_without_answer(row.outcome)))
    return {"cases emptied": len(rows), "messages of cases": _empty_messages(connection, [row.case_id for row in rows])}


def _erase_sender(connection: Connection, subject: Subject) -> dict[str, int]:
    """Every case that the person's address sent."""
    # Every case is looked at: databases do not agree on letters' case, and an address missed is a promise broken.
    query = sa.select(cases.c.case_id, cases.c.content, cases.c.outcome).where(cases.c.tenant == subject.tenant)
    rows = [row for row in connection.execute(query) if _sent(row.content, subject.name)]
    for row in rows:
        empty: dict[str, Any] = {"sender": "", "subject": "", "body": "", "message_id": "", "attachments": []}
        values = {"content": {**row.content, **empty, "problems": []}, "note": "erased", "state": "closed"}
        outcome = {**_without_answer(row.outcome), "fields": {}} if row.outcome else sa.null()
        connection.execute(sa.update(cases).where(cases.c.case_id == row.case_id).values(**values, outcome=outcome))
    return {"cases emptied": len(rows), "messages of cases": _empty_messages(connection, [row.case_id for row in rows])}


def _sent(content: dict[str, Any], name: str) -> bool:
    return str(content.get("sender", "")).casefold() == name.casefold()


def _without_answer(outcome: dict[str, Any]) -> dict[str, Any]:
    """Route and decision stay; what was asked, said, quoted and noted on the way goes."""
    trail = [{**step, "details": {}} for step in outcome.get("trail", [])]
    return {**outcome, "reply": None, "citations": [], "asked": [], "trail": trail, "reason": "erased"}


def _empty_messages(connection: Connection, case_ids: Sequence[str]) -> int:
    return sum(_empty_batch(connection, case_messages.c.case_id.in_(batch)) for batch in list_batches(case_ids))


def _empty_batch(connection: Connection, theirs: sa.ColumnElement[bool]) -> int:
    """Those that wait are deleted; of those delivered the receipt stays."""
    waiting = sa.delete(case_messages).where(theirs, case_messages.c.delivered_at.is_(None))
    deleted = connection.execute(waiting).rowcount
    rows = connection.execute(sa.select(case_messages).where(theirs)).all()
    for row in rows:
        content = {**row.content, "customer": "", "recipient": "", "subject": "", "body": "", "in_reply_to": ""}
        change = sa.update(case_messages).where(case_messages.c.message_id == row.message_id)
        connection.execute(change.values(content=content, customer="", problem=""))
    return deleted + len(rows)
