"""The tables of the arms.

arm_answer          what a model said to one prompt, by everything that decides it
arm_report          the figures of the arms and the gate's decision, by dataset, adapter and champion
"""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, UtcDateTime, metadata

arm_answers = sa.Table(
    "arm_answers",
    metadata,
    sa.Column("answer_key", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("pair_id", sa.String(36), nullable=False),  # no foreign key: a general question is no pair
    sa.Column("text", StoredText, nullable=False),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("completion_tokens", sa.Integer, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_arm_answers_tenant_pair_id", "tenant", "pair_id"),
)

arm_reports = sa.Table(
    "arm_reports",
    metadata,
    sa.Column("report_id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("dataset_id", sa.String(36), nullable=False),
    sa.Column("adapter_id", sa.String(36)),  # null: only the base model was asked
    sa.Column("stored", sa.JSON, nullable=False),  # figures and reasons, no text of documents or pairs
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_arm_reports_tenant_created_at", "tenant", "created_at"),
)
