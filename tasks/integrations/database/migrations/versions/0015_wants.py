"""Which programs a version's reading lacked. Versions that are there tell nothing: they are read again as before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.integrations.database.schema import StoredText

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("versions", sa.Column("wants", StoredText(), nullable=True))
    some = sa.text("wants IS NOT NULL")
    op.create_index("ix_versions_wants", "versions", ["wants", "version_id"], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    op.drop_index("ix_versions_wants", "versions")
    op.drop_column("versions", "wants")
