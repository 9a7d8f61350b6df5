"""Empties the outbox: at least once, in a customer's order, later again where the other side does not answer.

A message is marked as delivered after it left. Between the two a process can die, and the message leaves twice: with
the same id, by which the receiver tells (the transactional outbox of Richardson, "Microservices Patterns", 3.3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tasks.case_models import DeliveryReport
from tasks.cases_ports import Deliverer, Outbox
from tasks.errors import ProductError, RateLimited

logger = logging.getLogger(__name__)

_AT_ONCE = 100
_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 3600.0
_MOST_FAILURES = 3
"""In a row: then the other side is down, and asking it for each message helps nobody."""


def _now() -> datetime:
    return datetime.now(UTC)


def deliver_messages(
    outbox: Outbox, deliverer: Deliverer, tenant: str, *, now: Callable[[], datetime] = _now
) -> DeliveryReport:
    """Deliver what is due; a failed message waits, twice as long each time, and its customer's later ones behind it."""
    delivered = failed = in_a_row = 0
    problem = ""
    while in_a_row < _MOST_FAILURES:
        due = outbox.list_due(tenant, deliverer.kinds, now(), _AT_ONCE)
        if not due:
            break
        held: set[str] = set()  # the rest of a page that was read before its customer's message failed
        for message in due:
            if message.customer in held:
                continue
            try:
                deliverer.deliver(message)
            except ProductError as error:
                pause = _choose_pause(message.attempts, error)
                outbox.postpone(message.message_id, now() + timedelta(seconds=pause), error.message)
                logger.warning("message waits message_id=%s seconds=%.0f", message.message_id, pause)
                held.add(message.customer)
                failed, in_a_row, problem = failed + 1, in_a_row + 1, error.message
                if in_a_row == _MOST_FAILURES:
                    break
            else:
                outbox.mark_delivered(message.message_id, now())
                delivered, in_a_row = delivered + 1, 0
    waiting = outbox.count_waiting(tenant, deliverer.kinds)
    return DeliveryReport(delivered=delivered, failed=failed, waiting=waiting, problem=problem)


def _choose_pause(attempts: int, error: ProductError) -> float:
    asked = error.retry_after_seconds if isinstance(error, RateLimited) else 0.0
    doubled = _FIRST_PAUSE_SECONDS * float(2 ** min(attempts, 10))
    return max(asked, min(doubled, _LONGEST_PAUSE_SECONDS))
