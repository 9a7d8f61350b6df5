"""The table of what is trained by itself."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, UtcDateTime, metadata

trainings = sa.Table(
    "trainings",
    metadata,
    sa.Column("training_id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("scope", StoredText, nullable=False),
    sa.Column("dataset_id", sa.String(36), nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # waiting | running | done | failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("adapter_id", sa.String(36), nullable=False),  # empty until it is done
    sa.Column("reason", StoredText, nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Index("ix_trainings_tenant_state", "tenant", "state"),
)
