"""Prefect tasks over the cases room: ids and numbers pass through Prefect, never a customer's words."""

from __future__ import annotations

from prefect import task

from tasks.case_models import DeliveryReport
from tasks.cases.collect import keep_cases
from tasks.cases.handle import BATCH_CASES
from tasks.cases.outbox import deliver_messages
from tasks.retries import touches_backends
from tasks.wiring import application


@task(**touches_backends())
def receive_cases(process: str, place: str) -> int:
    """Keep what a place holds; known cases change nothing. Returns how many were looked at."""
    app = application()
    return keep_cases(app.open_case_source(app.load_process(process), place), app.cases)


@task(**touches_backends())
def handle_waiting_cases(process: str) -> int:
    """Work through the cases that wait, the oldest first; returns how many. What fails leaves the rest waiting."""
    app = application()
    handler, count = app.open_handler(app.load_process(process)), 0
    while waiting := app.cases.list_waiting(app.settings.tenant, process, BATCH_CASES):
        handler.handle(waiting)
        count += len(waiting)
    return count


@task(**touches_backends())
def empty_outbox() -> DeliveryReport:
    """Deliver what is due; what does not leave now is delivered by a later run."""
    app = application()
    return deliver_messages(app.outbox, app.deliverer, app.settings.tenant)
