"""The tables of adapters and champions."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, UtcDateTime, metadata

adapters = sa.Table(
    "adapters",
    metadata,
    sa.Column("adapter_id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("dataset_id", sa.String(36), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # candidate | rejected | promoted | marked
    sa.Column("reason", StoredText, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),  # an Adapter; state and reason here are the ones that count
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_adapters_tenant", "tenant"),
    sa.Index("ix_adapters_dataset_id", "dataset_id"),
)

champions = sa.Table(
    "champions",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True),
    sa.Column("scope", StoredText, primary_key=True),
    sa.Column("adapter_id", sa.String(36)),  # null: the base model alone
)

champion_changes = sa.Table(
    "champion_changes",
    metadata,
    sa.Column("tenant", sa.String(64), primary_key=True),
    sa.Column("scope", StoredText, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("adapter_id", sa.String(36)),
    sa.Column("action", sa.String(16), nullable=False),  # promote | rollback | fall back
    sa.Column("author", StoredText, nullable=False),
    sa.Column("reason", StoredText, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
