"""Every few minutes: what should have been started by an event that was lost is started."""

from __future__ import annotations

from prefect import flow

from tasks.automation.tasks import start_missed_training


@flow(name="reconcile", persist_result=False)
def reconcile() -> bool:
    """Compare what is with what should be.

    Returns:
        Whether a training was asked for.
    """
    return start_missed_training()
