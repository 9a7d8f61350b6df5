"""Every few minutes, or on an event: take in cases, work through them, deliver what they lead to."""

from __future__ import annotations

from prefect import flow

from tasks.artifacts import show_table
from tasks.case_models import DeliveryReport
from tasks.cases.tasks import empty_outbox, handle_waiting_cases, receive_cases, show_decisions
from tasks.evaluation.tasks import show_coverage


@flow(name="handle-cases", flow_run_name="handle-cases-{process}", persist_result=False)
def handle_cases(process: str = "tickets", places: list[str] | None = None) -> DeliveryReport:
    """Work through a process's cases.

    Args:
        process: A folder below EXPERTLOOP_PROCESSES.
        places: Folders of mails, files, mailboxes (imaps://user@host/folder) or tables (sqlite:///…?table=…) to take
            cases from; none: those that wait.

    Returns:
        What the outbox did.
    """
    received = sum(receive_cases(process, place) for place in places or [])
    handled = handle_waiting_cases(process)
    report = empty_outbox()
    row = {"process": process, "received": received, "handled": handled, **report.model_dump()}
    show_table("cases", [row], process)
    show_decisions(process)
    show_coverage()
    return report
