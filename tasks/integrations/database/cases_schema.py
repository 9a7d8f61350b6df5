"""The tables of cases: case ─< message; a case's trail stands in its outcome."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, UtcDateTime, metadata

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("case_id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("process", StoredText, nullable=False),
    sa.Column("external_id", StoredText, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),  # the order in which cases came
    sa.Column("state", sa.String(16), nullable=False),  # waiting | handled | closed
    sa.Column("decision", sa.String(24)),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("outcome", sa.JSON(none_as_null=True)),
    sa.Column("note", StoredText, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.Index("ix_cases_tenant_state_place", "tenant", "state", "place"),
    sa.Index("ix_cases_tenant_external_id", "tenant", "external_id"),
)

case_messages = sa.Table(
    "case_messages",
    metadata,
    sa.Column("message_id", sa.String(36), primary_key=True),
    sa.Column("case_id", sa.String(36), sa.ForeignKey("cases.case_id", ondelete="CASCADE"), nullable=False),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # reply | draft | correction
    sa.Column("customer", StoredText, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),  # of its case
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
    sa.Column("problem", StoredText, nullable=False),
    sa.Index("ix_case_messages_tenant_delivered_at_place", "tenant", "delivered_at", "place"),
    sa.Index("ix_case_messages_case_id", "case_id"),
)
