"""What documents are about in a few sentences; documents that are there are summarised by the next ingest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.integrations.database.schema import StoredText

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("versions", sa.Column("summary_rules", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_versions_tenant_source_state_summaries", "versions", ["tenant", "source", "state", "summary_rules"]
    )
    op.create_table(
        "summaries",
        sa.Column("summary_id", sa.String(length=36), nullable=False),
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", StoredText(), nullable=False),
        sa.Column("spans", sa.JSON(), nullable=False),
        sa.Column("leads", sa.JSON(), nullable=False),
        sa.Column("heading_path", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("embedding_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.version_id"], name=op.f("fk_summaries_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("summary_id", name=op.f("pk_summaries")),
        sa.UniqueConstraint("version_id", "position", name=op.f("uq_summaries_version_id_position")),
    )
    op.create_index("ix_summaries_fingerprint", "summaries", ["fingerprint"])


def downgrade() -> None:
    op.drop_table("summaries")
    op.drop_index("ix_versions_tenant_source_state_summaries", "versions")
    op.drop_column("versions", "summary_rules")
