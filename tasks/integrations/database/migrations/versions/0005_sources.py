"""The table of sources: how far each is believed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.integrations.database.schema import StoredText

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sources",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("source", StoredText(), nullable=False),
        sa.Column("trust", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", name=op.f("pk_sources")),
    )
    op.execute("INSERT INTO sources (tenant, source, trust) SELECT DISTINCT tenant, source, 'normal' FROM documents")


def downgrade() -> None:
    op.drop_table("sources")
