"""The table of what documents say that abbreviations stand for: version ─< definition."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, metadata

definitions = sa.Table(
    "definitions",
    metadata,
    sa.Column("version_id", sa.String(36), sa.ForeignKey("versions.version_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("short_key", StoredText, primary_key=True),
    sa.Column("long_key", StoredText, primary_key=True),
    sa.Column("tenant", sa.String(64), nullable=False),
    sa.Column("short", StoredText, nullable=False),  # as the document has them
    sa.Column("long", StoredText, nullable=False),
    # The keys come first: without statistics SQLite would take any index of a tenant's for a good one.
    sa.Index("ix_definitions_short_key_tenant", "short_key", "tenant"),
    sa.Index("ix_definitions_long_key_tenant", "long_key", "tenant"),
)
