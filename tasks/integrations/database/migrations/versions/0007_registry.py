"""The tables of adapters and champions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.integrations.database.schema import StoredText, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "adapters",
        sa.Column("adapter_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", StoredText(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("adapter_id", name=op.f("pk_adapters")),
    )
    op.create_index("ix_adapters_tenant", "adapters", ["tenant"])
    op.create_index("ix_adapters_dataset_id", "adapters", ["dataset_id"])
    op.create_table(
        "champions",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", StoredText(), nullable=False),
        sa.Column("adapter_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "scope", name=op.f("pk_champions")),
    )
    op.create_table(
        "champion_changes",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", StoredText(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("adapter_id", sa.String(length=36), nullable=True),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("author", StoredText(), nullable=False),
        sa.Column("reason", StoredText(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "scope", "number", name=op.f("pk_champion_changes")),
    )


def downgrade() -> None:
    for table in ("champion_changes", "champions", "adapters"):
        op.drop_table(table)
