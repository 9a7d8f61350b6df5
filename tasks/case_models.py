"""The nouns of cases: one unit of business work each, what becomes of it, and what leaves the house because of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from tasks.answer_models import Citation
from tasks.models import Noun, derive_id, hash_text


class Decision(StrEnum):
    """Who acts next on a case."""

    AUTO_REPLY = "auto-reply"
    DRAFT = "draft-for-person"
    ESCALATE = "escalate"
    REJECT = "reject-as-spam"


class CaseState(StrEnum):
    """Where a case stands."""

    WAITING = "waiting"
    HANDLED = "handled"
    CLOSED = "closed"


class Case(Noun):
    """One mail, record or payload, as it came in."""

    case_id: str
    id: str = Field(description="as the sender's system calls it")
    process: str
    tenant: str
    sender: str = Field(default="", description="mail address; empty when unknown, and then nothing is sent")
    subject: str = ""
    body: str = Field(default="", description="plain text, without quoted earlier mails")
    groups: tuple[str, ...] = Field(default=(), description="principals of the customer, told by the company's system")
    message_id: str = Field(default="", description="of the mail, for the reply's In-Reply-To")
    automatic: str = Field(default="", description="why a machine wrote it, so that no machine answers; else empty")
    attachments: tuple[str, ...] = ()
    problems: tuple[str, ...] = Field(default=(), description="what of it could not be read, or was left out")

    @property
    def customer(self) -> str:
        """Whose cases stay in order: the sender, else the case alone."""
        return self.sender.casefold() or self.case_id


def derive_case_id(tenant: str, process: str, id: str, content: str) -> str:  # noqa: A002 (the field's name)
    """One case per id and content: the same thing twice is one case, an edited one is another."""
    return derive_id("case", tenant, process, id, hash_text(content))


class Step(Noun):
    """One step of a case's way, for its trail."""

    name: str
    seconds: float = Field(ge=0)
    details: dict[str, Any] = Field(default_factory=dict)


class Asked(Noun):
    """A question that a case asks, and what came of it."""

    question: str
    answered: bool = Field(description="wholly; an answer that leaves a part open is none")
    text: str = ""
    reason: str = Field(default="", description="why there is no answer")
    confidence: float | None = None
    conflicting: bool = Field(default=False, description="its documents contradict each other")
    quoted: tuple[tuple[str, str], ...] = Field(default=(), description="(document_id, quote) of its citations")


class Outcome(Noun):
    """What the process made of a case."""

    route: str
    route_confidence: float = Field(ge=0, le=1)
    urgency: str
    language: str
    fields: dict[str, Any] = Field(default_factory=dict, description="the company's own model, as JSON")
    decision: Decision
    reason: str = Field(description="why, in one line: the rule or the threshold that decided")
    confidence: float = Field(ge=0, le=1, description="that the route and every answer are right; the least of them")
    reply: str | None = None
    citations: tuple[Citation, ...] = ()
    asked: tuple[Asked, ...] = ()
    trail: tuple[Step, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict, description="of what answered: generator, adapter, prompt …")
    seconds: float = Field(default=0.0, ge=0, description="a batch's time is shared equally by its cases")


class HandledCase(Noun):
    """A case with where it stands; the outcome is None while it waits."""

    case: Case
    state: CaseState
    outcome: Outcome | None = None
    note: str = Field(default="", description="why it waits, or how a person closed it")
    received_at: datetime
    updated_at: datetime


class DecisionCount(Noun):
    """How many cases ended in a decision, and how many of those a person corrected."""

    decision: Decision
    cases: int
    corrected: int


CORRECTED = "corrected by"
"""How the note of a case begins that a person answered."""

MessageKind = Literal["reply", "draft", "correction"]


class OutgoingMessage(Noun):
    """What leaves the house, delivered at least once; receivers tell repetitions by `message_id`."""

    message_id: str
    case_id: str
    tenant: str
    kind: MessageKind
    customer: str = Field(description="whose messages stay in order")
    recipient: str
    subject: str
    body: str
    in_reply_to: str = ""
    decision: Decision
    attempts: int = Field(default=0, ge=0)


def derive_message_id(case_id: str, kind: MessageKind, body: str) -> str:
    """One answer a case, however often it is handled; a correction is another message, one per wording."""
    return derive_id("message", case_id, body if kind == "correction" else "answer")


class DeliveryReport(Noun):
    """What one round of the outbox did."""

    delivered: int = 0
    failed: int = 0
    waiting: int = Field(default=0, description="left for later: not due yet, or behind a failed one of the customer")
    problem: str = Field(default="", description="of the last failure")
