"""The tables of erasure.

erasure          what was erased, when: certificates
dataset_mark     datasets that may not be used any more, and why
"""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, UtcDateTime, metadata

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("certificate_id", sa.String(36), primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("certificate", sa.JSON, nullable=False),
)

dataset_marks = sa.Table(
    "dataset_marks",
    metadata,
    sa.Column("dataset_id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),  # erased | narrowed
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("reason", StoredText, nullable=False),
    sa.Column("marked_at", UtcDateTime, nullable=False),
)
