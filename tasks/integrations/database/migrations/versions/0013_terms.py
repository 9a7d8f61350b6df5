"""How a stored question is asked besides its words, and its age as an index: old ones are forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("questions", sa.Column("terms", sa.JSON(), nullable=True))
    op.create_index("ix_questions_asked_at", "questions", ["asked_at"])


def downgrade() -> None:
    op.drop_index("ix_questions_asked_at", "questions")
    op.drop_column("questions", "terms")
