"""The table of what documents and their sections are about, in a few sentences: version ─< summary."""

from __future__ import annotations

import sqlalchemy as sa

from tasks.integrations.database.schema import StoredText, metadata

summaries = sa.Table(
    "summaries",
    metadata,
    sa.Column("summary_id", sa.String(36), primary_key=True),
    sa.Column("version_id", sa.String(36), sa.ForeignKey("versions.version_id", ondelete="CASCADE"), nullable=False),
    sa.Column("fingerprint", sa.String(16), nullable=False),  # of its version's pipeline
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("text", StoredText, nullable=False),
    sa.Column("spans", sa.JSON, nullable=False),  # of its sentences in the document; none: a generator wrote it
    sa.Column("leads", sa.JSON, nullable=False),  # positions of chunks
    sa.Column("heading_path", sa.JSON, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("embedding_key", sa.String(64), nullable=False),  # sha256 of the embedded text
    sa.UniqueConstraint("version_id", "position"),
    sa.Index("ix_summaries_fingerprint", "fingerprint"),
)
