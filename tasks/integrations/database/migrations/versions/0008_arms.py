"""The tables of the arms: what models said, and the reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.integrations.database.schema import StoredText, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "arm_answers",
        sa.Column("answer_key", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("pair_id", sa.String(length=36), nullable=False),
        sa.Column("text", StoredText(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("answer_key", name=op.f("pk_arm_answers")),
    )
    op.create_index("ix_arm_answers_tenant_pair_id", "arm_answers", ["tenant", "pair_id"])
    op.create_table(
        "arm_reports",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("adapter_id", sa.String(length=36), nullable=True),
        sa.Column("stored", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_arm_reports")),
    )
    op.create_index("ix_arm_reports_tenant_created_at", "arm_reports", ["tenant", "created_at"])


def downgrade() -> None:
    for table in ("arm_reports", "arm_answers"):
        op.drop_table(table)
