"""The `ApprovalStore` port."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tasks.approval_models import Approval, ApprovalDecision, ApprovalState
from tasks.errors import ConfigurationError
from tasks.integrations.database.approvals_schema import approvals
from tasks.integrations.database.engine import Database, insert_new
from tasks.integrations.database.schema import audit
from tasks.models import derive_id


class DatabaseApprovals:
    """Questions to people; the first verdict counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_approval(self, approval: Approval) -> Approval:
        """Ask; a question that was asked before stays as it is. Returns what is kept."""
        with self._database.write() as connection:
            insert_new(connection, approvals, approval.model_dump())
            return _read(connection, approval.approval_id)

    def list_approvals(self, tenant: str, states: Sequence[ApprovalState] = ()) -> list[Approval]:
        """Every one in these states, or in all, the oldest first."""
        query = sa.select(approvals).where(approvals.c.tenant == tenant)
        if states:
            query = query.where(approvals.c.state.in_([one.value for one in states]))
        query = query.order_by(approvals.c.asked_at, approvals.c.approval_id)
        with self._database.read() as connection:
            return [Approval.model_validate(dict(row)) for row in connection.execute(query).mappings()]

    def find_approval(self, tenant: str, name: str) -> Approval:
        """The one of an id, or of its adapter's, or of a unique beginning."""
        known = self.list_approvals(tenant) if name else []
        found = [one for one in known if one.approval_id.startswith(name) or one.adapter_id.startswith(name)]
        if len(found) != 1:
            problem = "nothing" if not found else "more than one thing"
            raise ConfigurationError(f"{problem} to decide has the id {name!r}", advice="see: expertloop approvals")
        return found[0]

    def decide_approval(self, approval_id: str, verdict: ApprovalDecision) -> Approval:
        """Decide what waits, with a line in the audit, in one commit; what was decided before stays."""
        waiting = sa.and_(approvals.c.approval_id == approval_id, approvals.c.state == ApprovalState.WAITING.value)
        told = {"decided_by": verdict.author, "decided_at": verdict.at, "reason": verdict.reason}
        with self._database.write() as connection:
            moved = connection.execute(sa.update(approvals).where(waiting).values(state=verdict.state.value, **told))
            decided = _read(connection, approval_id)
            if moved.rowcount:
                connection.execute(sa.insert(audit).values(_audit_row(decided, verdict)))
        return decided


def _read(connection: Connection, approval_id: str) -> Approval:
    row = connection.execute(sa.select(approvals).where(approvals.c.approval_id == approval_id)).mappings().one()
    return Approval.model_validate(dict(row))


def _audit_row(decided: Approval, verdict: ApprovalDecision) -> dict[str, object]:
    return {
        "audit_id": derive_id("audit", decided.tenant, decided.approval_id),
        "request_id": decided.approval_id,
        "action": "approve" if verdict.state is ApprovalState.APPROVED else "reject",
        "tenant": decided.tenant,
        "principal": verdict.author,
        "key_id": "",
        "at": verdict.at,
        "question_hash": None,
        "document_ids": [],
        "mode": None,
        "reason": verdict.reason or None,
    }
