"""What documents say that abbreviations stand for; documents that are there are read for it by the next ingest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.integrations.database.schema import StoredText

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("versions", sa.Column("definition_rules", sa.Integer(), nullable=True))
    op.drop_index("ix_versions_tenant_source_state", "versions")
    op.create_index(
        "ix_versions_tenant_source_state_rules", "versions", ["tenant", "source", "state", "definition_rules"]
    )
    op.create_table(
        "definitions",
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("short_key", StoredText(), nullable=False),
        sa.Column("long_key", StoredText(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("short", StoredText(), nullable=False),
        sa.Column("long", StoredText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.version_id"], name=op.f("fk_definitions_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", "short_key", "long_key", name=op.f("pk_definitions")),
    )
    op.create_index("ix_definitions_short_key_tenant", "definitions", ["short_key", "tenant"])
    op.create_index("ix_definitions_long_key_tenant", "definitions", ["long_key", "tenant"])


def downgrade() -> None:
    op.drop_table("definitions")
    op.drop_index("ix_versions_tenant_source_state_rules", "versions")
    op.create_index("ix_versions_tenant_source_state", "versions", ["tenant", "source", "state"])
    op.drop_column("versions", "definition_rules")
