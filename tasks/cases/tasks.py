"""Prefect tasks over the cases room: ids and numbers pass through Prefect, never a customer's words."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.artifacts import show_table
from tasks.case_models import Decision, DeliveryReport
from tasks.cases.collect import keep_cases
from tasks.cases.handle import BATCH_CASES
from tasks.cases.outbox import deliver_messages
from tasks.events import describe_case
from tasks.retries import touches_backends
from tasks.wiring import application

logger = logging.getLogger(__name__)

FOR_PEOPLE = (Decision.DRAFT, Decision.ESCALATE)
SHOWN = timedelta(days=30)
"""Enough cases for a share, and recent enough to say something of today's champion."""


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
        with app.telemetry.span("cases", {"process": process, "cases": len(waiting)}) as span:
            handled = [(one.case.case_id, one.outcome.decision) for one in handler.handle(waiting) if one.outcome]
            span.add_facts(dict(Counter(decision.value for _, decision in handled)))
        app.announce(*(describe_case(id_, process, one) for id_, one in handled if one in FOR_PEOPLE))
        count += len(waiting)
    return count


@task(**touches_backends())
def show_decisions(process: str) -> None:
    """The last days' cases by decision, and how many of each a person corrected."""
    app = application()
    counts = app.cases.count_decisions(app.settings.tenant, process, datetime.now(UTC) - SHOWN)
    total = sum(one.cases for one in counts)
    rows = [one.model_dump(mode="json") | {"share": round(one.cases / total, 3)} for one in counts]
    show_table("cases-by-decision", rows, f"{process}, {SHOWN.days} days")
    told = " ".join(f"{one.decision}={one.cases}" for one in counts)
    logger.info("cases by decision process=%s days=%s %s", process, SHOWN.days, told)


@task(**touches_backends())
def empty_outbox() -> DeliveryReport:
    """Deliver what is due; what does not leave now is delivered by a later run."""
    app = application()
    return deliver_messages(app.outbox, app.deliverer, app.settings.tenant)
