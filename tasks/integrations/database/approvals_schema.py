"""The table of what people are asked."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, UtcDateTime, metadata

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("approval_id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("scope", StoredText, nullable=False),
    sa.Column("adapter_id", sa.String(36), nullable=False),
    sa.Column("approvers", sa.JSON, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("at_deadline", sa.String(16), nullable=False),  # reject | promote
    sa.Column("state", sa.String(16), nullable=False),  # waiting | approved | rejected
    sa.Column("decided_by", StoredText, nullable=False),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("reason", StoredText, nullable=False),
    sa.Index("ix_approvals_tenant_state", "tenant", "state"),
)
