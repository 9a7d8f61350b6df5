"""The tables of documents, versions, chunks, runs, collections and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.integrations.database.schema import StoredText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cached_vectors",
        sa.Column("embedder", sa.String(length=36), nullable=False),
        sa.Column("embedding_key", sa.String(length=64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("embedder", "embedding_key", name=op.f("pk_cached_vectors")),
    )
    op.create_table(
        "collections",
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("pipeline", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_collections")),
        sa.UniqueConstraint("name", name=op.f("uq_collections_name")),
    )
    op.create_table(
        "documents",
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("source", StoredText(), nullable=False),
        sa.Column("path", StoredText(), nullable=False),
        sa.Column("uri", StoredText(), nullable=False),
        sa.Column("file_name", StoredText(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("live_version_id", sa.String(length=36), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("readers_stale", sa.Boolean(), nullable=False),
        sa.Column("seen_size", sa.BigInteger(), nullable=True),
        sa.Column("seen_modified", UtcDateTime(), nullable=True),
        sa.Column("seen_etag", StoredText(), nullable=True),
        sa.Column("seen_hash", sa.String(length=64), nullable=True),
        sa.Column("read_fingerprint", sa.String(length=16), nullable=True),
        sa.Column("read_capabilities", StoredText(), nullable=True),
        sa.Column("problem", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("part_problems", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_documents")),
    )
    op.create_index("ix_documents_tenant_source_hash", "documents", ["tenant", "source", "content_hash"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        op.create_index("ix_documents_tenant_source_path", "documents", ["tenant", "source", "path"], unique=True)
    op.create_table(
        "leases",
        sa.Column("name", StoredText(), nullable=False),
        sa.Column("token", sa.String(length=36), nullable=False),
        sa.Column("host", StoredText(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Float(), nullable=False),
        sa.Column("beats", sa.Integer(), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "questions",
        sa.Column("question_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("text", StoredText(), nullable=False),
        sa.Column("principals", sa.JSON(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("question_id", name=op.f("pk_questions")),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("source", StoredText(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("live_before", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("embedded", sa.Integer(), nullable=False),
        sa.Column("ledger", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", StoredText(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
        sa.UniqueConstraint("tenant", "source", "number", name=op.f("uq_runs_tenant_source_number")),
    )
    op.create_table(
        "versions",
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("source", StoredText(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("title", StoredText(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("text", StoredText(), nullable=False),
        sa.Column("modified", UtcDateTime(), nullable=True),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("document_type", sa.String(length=32), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("copied_from", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_versions")),
    )
    op.create_index("ix_versions_document_id", "versions", ["document_id"], unique=False)
    op.create_index("ix_versions_tenant_source_state", "versions", ["tenant", "source", "state"], unique=False)
    op.create_table(
        "answers",
        sa.Column("answer_id", sa.String(length=36), nullable=False),
        sa.Column("question_id", sa.String(length=36), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("answered_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["questions.question_id"], name=op.f("fk_answers_question_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("answer_id", name=op.f("pk_answers")),
    )
    op.create_table(
        "chunks",
        sa.Column("chunk_id", sa.String(length=36), nullable=False),
        sa.Column("version_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("text", StoredText(), nullable=False),
        sa.Column("repeated_header", StoredText(), nullable=False),
        sa.Column("heading_path", sa.JSON(), nullable=False),
        sa.Column("part", StoredText(), nullable=True),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("element_ids", sa.JSON(), nullable=False),
        sa.Column("embedding_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.version_id"], name=op.f("fk_chunks_version_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("chunk_id", name=op.f("pk_chunks")),
        sa.UniqueConstraint("version_id", "position", name=op.f("uq_chunks_version_id_position")),
    )
    op.create_table(
        "document_readers",
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("principal", StoredText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.document_id"], name=op.f("fk_document_readers_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "principal", name=op.f("pk_document_readers")),
    )
    op.create_table(
        "listing",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("path", StoredText(), nullable=False),
        sa.Column("uri", StoredText(), nullable=False),
        sa.Column("file_name", StoredText(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("modified", UtcDateTime(), nullable=True),
        sa.Column("etag", StoredText(), nullable=True),
        sa.Column("title", StoredText(), nullable=True),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("problem", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("batch", sa.Integer(), nullable=True),
        sa.Column("reprocess", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("renamed_from", sa.String(length=36), nullable=True),
        sa.Column("part_problems", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_listing_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "document_id", name=op.f("pk_listing")),
    )
    op.create_index("ix_listing_run_id_batch", "listing", ["run_id", "batch"], unique=False)
