"""The nouns of approval: what a person decides about a candidate, and whether that person may."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from tasks.models import Noun, derive_id

AtDeadline = Literal["reject", "promote"]


class ApprovalState(StrEnum):
    """What became of a question to people."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


class Approval(Noun):
    """A candidate that the gate would promote, and what a person says; the run that asked has ended long since."""

    approval_id: str
    tenant: str
    scope: str
    adapter_id: str
    approvers: tuple[str, ...] = Field(description="principals and groups who may decide")
    reasons: tuple[str, ...] = Field(description="the gate's")
    asked_at: datetime
    until: datetime
    at_deadline: AtDeadline
    state: ApprovalState = ApprovalState.WAITING
    decided_by: str = ""
    decided_at: datetime | None = None
    reason: str = ""


class ApprovalDecision(Noun):
    """A person's word, or the deadline's."""

    state: Literal[ApprovalState.APPROVED, ApprovalState.REJECTED]
    author: str
    groups: frozenset[str] = Field(default=frozenset(), description="the author's")
    reason: str = ""
    at: datetime


def derive_approval_id(tenant: str, scope: str, adapter_id: str) -> str:
    """One question a candidate: whoever rejected it is not asked about it again."""
    return derive_id("approval", tenant, scope, adapter_id)
