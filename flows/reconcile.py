"""Every few minutes: what an event was lost for, a killed worker left or a person forgot goes on."""

from __future__ import annotations

from prefect import flow
from pydantic import NonNegativeInt

from tasks.automation.tasks import end_lost_runs, end_overdue_approvals, start_missed_trainings
from tasks.cases.tasks import empty_outbox


@flow(name="reconcile", persist_result=False)
def reconcile(silent_minutes: NonNegativeInt = 20, listen_seconds: NonNegativeInt = 240) -> list[str]:
    """Compare what is with what should be.

    Args:
        silent_minutes: A run that was not heard of for so long is lost: twice what the automations wait.
        listen_seconds: And the server must then have answered for so long, with the run still silent: longer than the
            180 s between two of Prefect's heartbeats, with the next of which a run finds a server that came back.

    Returns:
        The scopes for which a training was asked for.
    """
    end_overdue_approvals()
    empty_outbox()
    due = start_missed_trainings()
    end_lost_runs(silent_minutes, listen_seconds)  # last, since it may listen for a while
    return due
