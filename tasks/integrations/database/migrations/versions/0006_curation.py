"""The tables of pairs, of document splits and of datasets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tasks.integrations.database.schema import StoredText, UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pairs",
        sa.Column("pair_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("question", StoredText(), nullable=False),
        sa.Column("answer", StoredText(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("author", StoredText(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("groups", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("accepted", sa.JSON(), nullable=False),
        sa.Column("reason", StoredText(), nullable=False),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.Column("content_key", sa.String(length=36), nullable=False),
        sa.Column("question_key", sa.String(length=36), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("embedder", sa.String(length=36), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("pair_id", name=op.f("pk_pairs")),
    )
    op.create_index("ix_pairs_tenant_state", "pairs", ["tenant", "state"])
    op.create_index("ix_pairs_tenant_content_key", "pairs", ["tenant", "content_key"])
    op.create_index("ix_pairs_tenant_question_key", "pairs", ["tenant", "question_key"])
    op.create_table(
        "pair_evidence",
        sa.Column("pair_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("quote", StoredText(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=True),
        sa.Column("end", sa.Integer(), nullable=True),
        sa.Column("version_id", sa.String(length=36), nullable=True),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("proposed", sa.Boolean(), nullable=False),
        sa.Column("now", StoredText(), nullable=True),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["pairs.pair_id"], name=op.f("fk_pair_evidence_pair_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pair_id", "position", name=op.f("pk_pair_evidence")),
    )
    op.create_index("ix_pair_evidence_document_id", "pair_evidence", ["document_id"])
    op.create_table(
        "pair_bands",
        sa.Column("pair_id", sa.String(length=36), nullable=False),
        sa.Column("band", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["pair_id"], ["pairs.pair_id"], name=op.f("fk_pair_bands_pair_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pair_id", "band", name=op.f("pk_pair_bands")),
    )
    op.create_index("ix_pair_bands_tenant_band", "pair_bands", ["tenant", "band"])
    op.create_table(
        "document_splits",
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("split", sa.String(length=16), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.Column("assigned_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_document_splits")),
    )
    op.create_index("ix_document_splits_tenant_text_hash", "document_splits", ["tenant", "text_hash"])
    op.create_table(
        "datasets",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", StoredText(), nullable=False),
        sa.Column("folder", StoredText(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_datasets")),
    )
    op.create_table(
        "dataset_pairs",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("pair_id", sa.String(length=36), nullable=False),
        sa.Column("split", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.dataset_id"], name=op.f("fk_dataset_pairs_dataset_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "pair_id", name=op.f("pk_dataset_pairs")),
    )
    op.create_index("ix_dataset_pairs_pair_id", "dataset_pairs", ["pair_id"])


def downgrade() -> None:
    for table in ("dataset_pairs", "datasets", "document_splits", "pair_bands", "pair_evidence", "pairs"):
        op.drop_table(table)
