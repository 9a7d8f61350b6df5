"""What is decided before anything is understood: machines' mails, empty ones, orders to a machine."""

from __future__ import annotations

from typing import NamedTuple

from tasks.case_models import Case, Decision
from tasks.instructions import gives_orders

_LOOKED_AT = 20_000
"""Characters that are searched for orders; patterns over megabytes take seconds."""


class Screened(NamedTuple):
    """A decision that needs no answer."""

    decision: Decision
    reason: str
    spam: bool = False


def screen_case(case: Case) -> Screened | None:
    """The decision that the case's form alone makes; None where its content must be read."""
    if case.automatic:
        return Screened(Decision.REJECT, f"a machine wrote it ({case.automatic}): never answered")
    if not case.body.strip():
        if case.attachments:
            return Screened(Decision.ESCALATE, f"only an attachment: {', '.join(case.attachments)[:200]}")
        if not case.subject.strip():
            return Screened(Decision.ESCALATE, "it is empty")
    if gives_orders(f"{case.subject}\n{case.body[:_LOOKED_AT]}"):
        return Screened(Decision.ESCALATE, "it gives orders to a machine")
    return None
