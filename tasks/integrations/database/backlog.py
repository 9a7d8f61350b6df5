"""What waits and what was decided, counted: four small statements of one moment."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.case_models import CaseState, Decision
from tasks.integrations.database.cases_schema import case_messages, cases
from tasks.integrations.database.engine import Database
from tasks.integrations.database.registry_schema import adapters
from tasks.telemetry_models import Backlog, Decided, Waiting


def read_backlog(database: Database, tenant: str) -> Backlog:
    """A tenant's work.

    Raises:
        BackendUnavailable: The database does not answer.
    """
    of_tenant, count = cases.c.tenant == tenant, sa.func.count()
    waiting = (
        sa.select(cases.c.process, count, sa.func.min(cases.c.received_at))
        .where(of_tenant, cases.c.state == CaseState.WAITING.value)
        .group_by(cases.c.process)
        .order_by(cases.c.process)
    )
    decided = (
        sa.select(cases.c.process, cases.c.decision, count)
        .where(of_tenant, cases.c.decision.is_not(None))
        .group_by(cases.c.process, cases.c.decision)
        .order_by(cases.c.process, cases.c.decision)
    )
    unsent = sa.select(count).where(case_messages.c.tenant == tenant, case_messages.c.delivered_at.is_(None))
    states = (
        sa.select(adapters.c.state, count.label("number")).where(adapters.c.tenant == tenant).group_by(adapters.c.state)
    )
    with database.read() as connection:
        return Backlog(
            waiting=tuple(
                Waiting(process=process, cases=number, oldest_at=oldest)
                for process, number, oldest in connection.execute(waiting)
            ),
            decided=tuple(
                Decided(process=process, decision=Decision(decision), cases=number)
                for process, decision, number in connection.execute(decided)
            ),
            messages_waiting=int(connection.execute(unsent).scalar_one()),
            adapters={str(row.state): int(row.number) for row in connection.execute(states)},
        )
