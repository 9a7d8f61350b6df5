"""A person's consent to a candidate: a record that waits, decided once, by somebody who may, or by its deadline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tasks.approval_models import Approval, ApprovalDecision, ApprovalState, AtDeadline, derive_approval_id
from tasks.errors import AccessDenied, ConfigurationError
from tasks.registry_ports import ApprovalStore
from tasks.training_models import Adapter

DEADLINE = "deadline"
"""The author of what nobody decided in time."""


def make_approval(
    adapter: Adapter, *, approvers: Sequence[str], hours: float, at_deadline: AtDeadline, now: datetime
) -> Approval:
    """The question whether a registered candidate may serve."""
    return Approval(
        approval_id=derive_approval_id(adapter.tenant, adapter.scope, adapter.adapter_id),
        tenant=adapter.tenant,
        scope=adapter.scope,
        adapter_id=adapter.adapter_id,
        approvers=tuple(approvers),
        reasons=adapter.decision.reasons if adapter.decision else (),
        asked_at=now,
        until=now + timedelta(hours=hours),
        at_deadline=at_deadline,
    )


def decide_approval(approval: Approval, verdict: ApprovalDecision, store: ApprovalStore) -> Approval:
    """Decide what waits.

    Raises:
        AccessDenied: The author is not among those who may.
        ConfigurationError: Somebody has decided it before; the message says who, and when.
    """
    if not {verdict.author, *verdict.groups} & set(approval.approvers):
        raise AccessDenied(
            f"{verdict.author} may not decide about candidates",
            advice=f"those who may: {', '.join(approval.approvers)}; name yourself with --as, your groups with --group",
        )
    return _decide(approval, verdict, store)


def _decide(approval: Approval, verdict: ApprovalDecision, store: ApprovalStore) -> Approval:
    decided = store.decide_approval(approval.approval_id, verdict)
    if decided.decided_by != verdict.author or decided.decided_at != verdict.at:
        raise ConfigurationError(
            f"{decided.decided_by} {decided.state} it at {decided.decided_at:%Y-%m-%d %H:%M} UTC",
            advice="see it with: expertloop approvals --all; to undo a promotion: expertloop rollback",
        )
    return decided


def end_overdue(store: ApprovalStore, tenant: str, *, now: datetime) -> list[Approval]:
    """Do with what nobody decided in time what was said when it was asked; returns those."""
    overdue = [one for one in store.list_approvals(tenant, [ApprovalState.WAITING]) if one.until <= now]
    ended = []
    for one in overdue:
        state = ApprovalState.APPROVED if one.at_deadline == "promote" else ApprovalState.REJECTED
        verdict = ApprovalDecision(state=state, author=DEADLINE, reason="nobody decided in time", at=now)
        decided = store.decide_approval(one.approval_id, verdict)
        if decided.decided_by == DEADLINE:
            ended.append(decided)
    return ended
