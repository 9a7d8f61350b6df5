"""Every few minutes: what an event was lost for, a killed worker left or a person forgot goes on."""

from __future__ import annotations

from prefect import flow

from tasks.automation.tasks import end_overdue_approvals, start_missed_trainings
from tasks.cases.tasks import empty_outbox


@flow(name="reconcile", persist_result=False)
def reconcile() -> list[str]:
    """Compare what is with what should be.

    Returns:
        The scopes for which a training was asked for.
    """
    end_overdue_approvals()
    empty_outbox()
    return start_missed_trainings()
