"""The `CaseStore` and `Outbox` ports: a case's outcome and its message are one commit, so that they cannot part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from tasks.case_models import (
    CORRECTED,
    Case,
    CaseState,
    Decision,
    DecisionCount,
    HandledCase,
    MessageKind,
    Outcome,
    OutgoingMessage,
)
from tasks.errors import ConfigurationError
from tasks.integrations.database.cases_schema import case_messages, cases
from tasks.integrations.database.engine import Database, insert_new
from tasks.integrations.database.locks import lock_name
from tasks.integrations.database.schema import is_storable


class DatabaseCases:
    """Keeps cases in the order in which they came."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def receive_cases(self, received: Sequence[Case], now: datetime) -> None:
        """Keep them, waiting; those that are known stay as they are."""
        with self._database.write() as connection:
            lock_name(connection, "cases")
            for number, case in enumerate(received, start=_find_last_place(connection, received) + 1):
                insert_new(connection, cases, _case_row(case, number, now))

    def read_cases(self, case_ids: Sequence[str]) -> dict[str, HandledCase]:
        """Known ones by case_id."""
        query = sa.select(cases).where(cases.c.case_id.in_(list(case_ids)))
        with self._database.read() as connection:
            return {row.case_id: _read(row) for row in connection.execute(query)}

    def finish_cases(
        self, done: Sequence[tuple[Case, Outcome]], messages: Sequence[OutgoingMessage], now: datetime
    ) -> None:
        """One commit: outcomes of cases that still wait, and the messages of exactly those."""
        by_case = {message.case_id: message for message in messages}
        with self._database.write() as connection:
            for case, outcome in done:
                values = {
                    "state": CaseState.HANDLED.value,
                    "decision": outcome.decision.value,
                    "outcome": outcome.model_dump(mode="json"),
                    "note": "",
                    "updated_at": now,
                }
                waits = (cases.c.case_id == case.case_id) & (cases.c.state == CaseState.WAITING.value)
                changed = connection.execute(sa.update(cases).where(waits).values(values)).rowcount
                if changed and case.case_id in by_case:
                    _add_message(connection, by_case[case.case_id], now)

    def note_waiting(self, case_ids: Sequence[str], note: str, now: datetime) -> None:
        """Say why cases still wait."""
        waits = cases.c.case_id.in_(list(case_ids)) & (cases.c.state == CaseState.WAITING.value)
        with self._database.write() as connection:
            connection.execute(sa.update(cases).where(waits).values(note=note, updated_at=now))

    def list_waiting(self, tenant: str, process: str | None, limit: int) -> list[Case]:
        """The oldest that wait, in the order in which they came."""
        query = sa.select(cases.c.content).where(cases.c.tenant == tenant, cases.c.state == CaseState.WAITING.value)
        if process is not None:
            query = query.where(cases.c.process == process)
        with self._database.read() as connection:
            found = connection.execute(query.order_by(cases.c.place).limit(limit)).scalars()
            return [Case.model_validate(content) for content in found]

    def list_cases(
        self, tenant: str, *, states: Sequence[CaseState] = (), decisions: Sequence[Decision] = (), limit: int = 100
    ) -> list[HandledCase]:
        """The newest first."""
        query = sa.select(cases).where(cases.c.tenant == tenant)
        if states:
            query = query.where(cases.c.state.in_([one.value for one in states]))
        if decisions:
            query = query.where(cases.c.decision.in_([one.value for one in decisions]))
        with self._database.read() as connection:
            return [_read(row) for row in connection.execute(query.order_by(cases.c.place.desc()).limit(limit))]

    def count_decisions(self, tenant: str, process: str, since: datetime) -> list[DecisionCount]:
        """Of cases that came since then, in the order of the decisions' names."""
        corrected = sa.func.count(sa.case((cases.c.note.startswith(CORRECTED), 1)))
        query = (
            sa.select(cases.c.decision, sa.func.count(), corrected)
            .where(cases.c.tenant == tenant, cases.c.process == process, cases.c.received_at >= since)
            .where(cases.c.decision.is_not(None))
            .group_by(cases.c.decision)
            .order_by(cases.c.decision)
        )
        with self._database.read() as connection:
            return [
                DecisionCount(decision=Decision(name), cases=count, corrected=by_people)
                for name, count, by_people in connection.execute(query)
            ]

    def find_case(self, tenant: str, name: str) -> HandledCase:
        """The one of a case_id, of its unique beginning, or of the sender's id.

        Raises:
            ConfigurationError: There is none, or more than one.
        """
        named = cases.c.case_id.startswith(name, autoescape=True) | (cases.c.external_id == name)
        query = sa.select(cases).where(cases.c.tenant == tenant, named).limit(2)
        with self._database.read() as connection:
            found = connection.execute(query).all() if name and is_storable(name) else []
        if len(found) != 1:
            problem = "no case has" if not found else "more than one case has"
            raise ConfigurationError(f"{problem} the id {name!r}", advice="see their ids with: expertloop cases list")
        return _read(found[0])

    def count_cases(self, tenant: str, state: CaseState, *, before: datetime | None = None) -> int:
        """How many are in this state, and came before a time."""
        mine = sa.and_(cases.c.tenant == tenant, cases.c.state == state.value)
        if before:
            mine &= cases.c.received_at < before
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(cases).where(mine)).scalar_one())

    def close_case(self, case_id: str, note: str, messages: Sequence[OutgoingMessage], now: datetime) -> None:
        """Closed by a person; its undelivered messages are replaced by these."""
        values = {"state": CaseState.CLOSED.value, "note": note, "updated_at": now}
        unsent = (case_messages.c.case_id == case_id) & case_messages.c.delivered_at.is_(None)
        with self._database.write() as connection:
            connection.execute(sa.update(cases).where(cases.c.case_id == case_id).values(values))
            connection.execute(sa.delete(case_messages).where(unsent))
            for message in messages:
                _add_message(connection, message, now)


class DatabaseOutbox:
    """Messages of the same database, so that a case and its message cannot part."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_due(self, tenant: str, kinds: Sequence[MessageKind], now: datetime, limit: int) -> list[OutgoingMessage]:
        """Undelivered ones whose time has come and before which none of its customer has to wait; the oldest first."""
        # Counted in one pass: a condition that looks for earlier rows by a query of its own costs rows times rows.
        held = sa.func.count(sa.case((case_messages.c.due_at > now, 1))).over(
            partition_by=case_messages.c.customer, order_by=case_messages.c.place
        )
        waiting = sa.select(case_messages.c.message_id, case_messages.c.place, held.label("held"))
        counted = waiting.where(_waits(tenant, kinds)).subquery()
        due = sa.select(counted.c.message_id).where(counted.c.held == 0).order_by(counted.c.place).limit(limit)
        query = sa.select(case_messages).where(case_messages.c.message_id.in_(due)).order_by(case_messages.c.place)
        with self._database.read() as connection:
            return [_message(row) for row in connection.execute(query)]

    def mark_delivered(self, message_id: str, now: datetime) -> None:
        """It left."""
        self._change(message_id, {"delivered_at": now, "problem": "", "attempts": case_messages.c.attempts + 1})

    def postpone(self, message_id: str, until: datetime, problem: str) -> None:
        """It did not; try again then."""
        self._change(message_id, {"due_at": until, "problem": problem, "attempts": case_messages.c.attempts + 1})

    def count_waiting(self, tenant: str, kinds: Sequence[MessageKind]) -> int:
        """How many still have to leave."""
        query = sa.select(sa.func.count()).select_from(case_messages).where(_waits(tenant, kinds))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def count_failed(self, tenant: str) -> int:
        """How many the other side has not taken when they were tried."""
        tried = sa.and_(
            case_messages.c.tenant == tenant, case_messages.c.delivered_at.is_(None), case_messages.c.problem != ""
        )
        with self._database.read() as connection:
            return int(
                connection.execute(sa.select(sa.func.count()).select_from(case_messages).where(tried)).scalar_one()
            )

    def _change(self, message_id: str, values: dict[str, Any]) -> None:
        change = sa.update(case_messages).where(case_messages.c.message_id == message_id).values(values)
        with self._database.write() as connection:
            connection.execute(change)


def _waits(tenant: str, kinds: Sequence[MessageKind]) -> sa.ColumnElement[bool]:
    return sa.and_(
        case_messages.c.tenant == tenant,
        case_messages.c.kind.in_(list(kinds)),
        case_messages.c.delivered_at.is_(None),
    )


def _find_last_place(connection: Connection, received: Sequence[Case]) -> int:
    """Of their tenants' cases: state by state, since only so an index tells it without being read as a whole."""
    last = sa.select(sa.func.coalesce(sa.func.max(cases.c.place), 0))
    groups = [(tenant, state) for tenant in {case.tenant for case in received} for state in CaseState]
    found = (last.where(cases.c.tenant == tenant, cases.c.state == state.value) for tenant, state in groups)
    return max((int(connection.execute(query).scalar_one()) for query in found), default=0)


def _case_row(case: Case, place: int, now: datetime) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "tenant": case.tenant,
        "process": case.process,
        "external_id": case.id,
        "place": place,
        "state": CaseState.WAITING.value,
        "content": case.model_dump(mode="json"),
        "note": "",
        "received_at": now,
        "updated_at": now,
    }


def _add_message(connection: Connection, message: OutgoingMessage, now: datetime) -> None:
    place = connection.execute(sa.select(cases.c.place).where(cases.c.case_id == message.case_id)).scalar_one()
    row = {
        **message.model_dump(include={"message_id", "case_id", "tenant", "kind", "customer"}),
        "place": place,
        "content": message.model_dump(mode="json"),
        "attempts": 0,
        "due_at": now,
        "problem": "",
    }
    insert_new(connection, case_messages, row)


def _message(row: Row[Any]) -> OutgoingMessage:
    return OutgoingMessage.model_validate({**row.content, "attempts": row.attempts})


def _read(row: Row[Any]) -> HandledCase:
    return HandledCase(
        case=Case.model_validate(row.content),
        state=CaseState(row.state),
        outcome=Outcome.model_validate(row.outcome) if row.outcome else None,
        note=row.note,
        received_at=row.received_at,
        updated_at=row.updated_at,
    )
